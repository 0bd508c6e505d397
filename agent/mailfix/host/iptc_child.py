"""Delete rules of iptables-legacy with libiptc, a program of its own: python3 -I iptc_child.py.

Reads one object of JSON: ``ipv6``, ``table``, and ``rules``, each with its chain, its number (from
1) and the line that iptables-legacy-save shows there, the last rule of a chain first. It holds the
lock that iptables-legacy takes (/run/xtables.lock), compares the lines, deletes by number and
commits the table once: all or nothing, and no rule is encoded anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

LOCK = "/run/xtables.lock"
LOCK_PATIENCE_S = 10.0
SAVE_PATIENCE_S = 10.0

FAILED = 1
CHANGED = 3
NO_LIBRARY = 4


def main() -> None:
    wanted = json.load(sys.stdin)
    library = _library(wanted["ipv6"])
    lock = _locked()
    _compare(wanted)
    _delete(library, wanted)
    os.close(lock)


def _library(ipv6: bool) -> Any:
    """The class of tables; by itself, importing python-iptables does not touch any."""
    try:
        iptc = import_module("iptc")
    except ImportError:
        sys.exit(NO_LIBRARY)
    return iptc.Table6 if ipv6 else iptc.Table


def _locked() -> int:
    descriptor = os.open(LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                _end(FAILED, f"another program holds {LOCK}")
            time.sleep(0.02)


def _compare(wanted: dict[str, Any]) -> None:
    """The save takes no lock: it is read as it will be changed."""
    program = "ip6tables-legacy-save" if wanted["ipv6"] else "iptables-legacy-save"
    told = subprocess.run(
        [program, "-t", wanted["table"]],
        capture_output=True,
        timeout=SAVE_PATIENCE_S,
        check=False,
        text=True,
        errors="surrogateescape",
    )
    if told.returncode != 0:
        _end(FAILED, f"{program} failed: {told.stderr.strip()[:200]}")
    for chain, number, line in wanted["rules"]:
        lines = [each for each in told.stdout.split("\n") if each.startswith(f"-A {chain} ")]
        if lines[number - 1 : number] != [line]:
            _end(CHANGED, f"rule {number} of chain {chain} is another one by now")


def _delete(library: Any, wanted: dict[str, Any]) -> None:
    from ctypes import c_uint

    table = library(wanted["table"], autocommit=False)
    table.refresh()
    for chain, number, _ in wanted["rules"]:
        deleted = table._iptc.iptc_delete_num_entry(
            chain.encode(), c_uint(number - 1), table._handle
        )
        if not deleted:
            _end(FAILED, f"rule {number} of chain {chain} cannot be deleted")
    table.commit()


def _end(code: int, text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
