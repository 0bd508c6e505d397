"""Which name fits a host, and the files that hold it as text."""
