"""Faults applied to transports."""
