"""Tests of twistednet/daemon."""
