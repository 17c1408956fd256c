"""The cost of a message on the daemon and on other servers: `python -m bench`."""
