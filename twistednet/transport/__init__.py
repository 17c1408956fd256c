"""How bytes move: the transports of the connections that the daemon accepts."""
