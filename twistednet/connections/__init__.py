"""Every open connection: admission, timeouts, taps, UDP conversations."""
