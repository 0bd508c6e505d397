"""Failures that the administrator has taken for a while: written down, listed, taken back."""
