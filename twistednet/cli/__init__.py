"""The `netdemo` command."""
