"""What tests share: daemons, servers, reactors, browsers."""
