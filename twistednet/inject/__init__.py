"""Faults put onto transports."""
