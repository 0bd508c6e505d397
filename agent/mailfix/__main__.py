"""``python3 -m mailfix``."""

from mailfix.cli import main

main()
