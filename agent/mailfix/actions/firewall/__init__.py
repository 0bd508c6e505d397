"""Opening a port: what is asked, on which rules, which changes cure it, and the next boot."""
