"""The language of iptables-save: a line's options, what they match, what its target does."""
