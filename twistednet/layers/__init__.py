"""What wraps a service: who may connect, for how long, and who is told."""
