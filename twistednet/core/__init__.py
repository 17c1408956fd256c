"""The pure part of every service: no reactor, no clock, no sockets."""
