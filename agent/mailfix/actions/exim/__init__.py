"""Exim's configuration as text: where a main option is set, and the smallest edit that sets it."""
