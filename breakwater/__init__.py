"""Breakwater: the Python side of the lending protocol."""

__version__ = "0.1.0"
