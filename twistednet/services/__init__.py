"""The services: the classes that people subclass, one module each."""
