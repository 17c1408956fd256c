"""Faults as data: rules, kinds and what they make of data. No sockets and no clock."""
