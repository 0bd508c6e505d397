"""Reads and judges damaged dumps for as long as one likes, outside CI.

    python3 -m tests.property.fuzz_firewall --inputs 100000 [--seed N] [--corpus FOLDER]

Every input has 10 seconds and the process a bounded memory. What raises, hangs or claims more than
the good dumps do is written to tests/property/found/, where CI reads it from then on. A corpus is
a folder of files as those in found/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from mailfix.firewall import Backend, Dump, Verdict, read_ruleset
from mailfix.model import Family
from tests.property import damage

FOUND = Path(__file__).parent / "found"
SECONDS_PER_INPUT = 10.0
MEMORY = 2 << 30


def stored(path: Path) -> damage.Dumps:
    """The dumps of a file in found/ or in a corpus."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Dump(Backend(backend), None if family is None else Family(family), text)
        for backend, family, text in told["dumps"]
    )


def store(problem: str, dumps: damage.Dumps, good: str) -> Path:
    """Keep an input as a case; ``good`` is the host that it must not claim more than."""
    told = {
        "problem": problem,
        "good": good,
        "dumps": [[str(each.backend), each.family, each.text] for each in dumps],
    }
    text = json.dumps(told, indent=1)
    path = FOUND / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    FOUND.mkdir(exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def problem_with(dumps: damage.Dumps, good: list[Verdict] | None) -> str:
    """What is wrong with how they are read and judged: "" for nothing."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_INPUT)
    try:
        found = damage.verdicts(read_ruleset(dumps))
    except Exception:
        return traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    claims = [damage.overclaims(*pair) for pair in zip(good or found, found, strict=True)]
    return next(filter(None, claims), "")


def _too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS_PER_INPUT} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--corpus", type=Path)
    chosen = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    hosts = damage.good_hosts()
    if chosen.corpus:
        hosts |= {path.stem: stored(path) for path in sorted(chosen.corpus.glob("*.json"))}
    good = {name: damage.verdicts(read_ruleset(dumps)) for name, dumps in hosts.items()}
    chance = Random(chosen.seed)
    problems: Counter[str] = Counter()
    for count in range(1, chosen.inputs + 1):
        name = chance.choice(list(hosts))
        spoilt = chance.random() < 0.4
        way = damage.with_unreadable_rule if spoilt else damage.damaged
        dumps = way(hosts[name], chance)
        problem = problem_with(dumps, good[name] if spoilt else None)
        if problem:
            kind = problem.splitlines()[-1][:100]
            problems[kind] += 1
            if problems[kind] == 1:
                sys.stdout.write(f"{store(problem, dumps, name if spoilt else '')}\n{problem}\n")
        if count % 5000 == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            sys.stdout.write(f"{count} inputs, peak {peak} MiB, {dict(problems)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
