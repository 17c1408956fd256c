"""The daemon: its life, its ports, its log."""
