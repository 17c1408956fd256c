"""What goes wrong on purpose: rules, and what they do to data. No sockets and no clock."""
