"""Sinks of events: the log, JSON lines, and who is attached to the event stream."""
