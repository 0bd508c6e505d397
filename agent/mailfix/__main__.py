"""``python3 -m mailfix``."""

import sys

try:
    from mailfix.cli import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"mailfix: the Python module {missing.name} is not installed; on Debian: "
        "apt install python3-dnspython python3-jinja2 python3-psutil python3-typer python3-yaml"
    )

main()
