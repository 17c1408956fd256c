"""What the daemon promises under load and attack, measured on a real one."""
