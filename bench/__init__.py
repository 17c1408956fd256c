"""What a message costs the daemon, and what it costs other servers: `python -m bench`."""
