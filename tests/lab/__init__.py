"""A real mail host and its Internet on one machine; see README.md."""
