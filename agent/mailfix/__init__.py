"""mailfix: finds and names what stops mail on this host."""

__version__ = "0.1.0"
