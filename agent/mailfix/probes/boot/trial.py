"""The boot's loads tried in a scratch network namespace, and the rules listed that they make."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mailfix.facts import BootFile
from mailfix.firewall import Backend, Dump, Ruleset, read_ruleset
from mailfix.firewall.origins import Written
from mailfix.firewall.ruleset import Gap
from mailfix.host import Host, Output, scratch
from mailfix.host.process import find_program
from mailfix.model import Fact, Family, Known, Unknown
from mailfix.probes.boot.load import Load
from mailfix.probes.firewall import LEGACY_TABLES, SAVE

PATIENCE_S = 6.0
MAX_COMPLAINT = 300
INTERFACES = "/sys/class/net"
_BLOCKS = re.compile(r"\b(drop|reject|tarpit)\b", re.IGNORECASE)
_NAMES_INTERFACES = re.compile(r"\b([io]if|devices?)\b")
_SETS = re.compile(r"--match-set|--add-set")
_OF_THE_NAMESPACE = re.compile(
    r"could not process rule|interface does not exist|operation not permitted|permission denied"
    r"|not supported|missing kernel module|set \S+ doesn't exist|_[a-z]+ failed|line \d+ failed"
    r"|no chain/target/match|host/network|name resolution|can't initialize",
    re.IGNORECASE,
)
"""Complaints that may be due to the scratch namespace's having no devices, modules or network."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The rules that the loads make together, where they are written, and what was refused.

    ``dumps`` are the texts that tell the rules.
    """

    ruleset: Ruleset
    written: tuple[Written, ...]
    files: tuple[BootFile, ...]
    with_ufw: bool = True
    dumps: tuple[Dump, ...] = ()


def read_as_text(loads: Sequence[Load]) -> Tried | None:
    """The rules of iptables-save's own texts, nothing run; None where there is anything else."""
    if any(each.family is None or each.keeps or each.problem for each in loads):
        return None
    dumps = tuple(map(_as_dump, loads))
    written = tuple(line for each in loads for line in each.written)
    refused = tuple(_file(each, Known(None)) for each in loads)
    return Tried(read_ruleset(dumps), written, refused, dumps=dumps)


async def load(host: Host, loads: Sequence[Load]) -> Tried:
    """Load everything that can be read in a namespace that ends with it.

    Where there is no such namespace, iptables' files are read as they stand.
    """
    if not loads:
        return Tried(Ruleset(), (), ())
    readable = [each for each in loads if not each.problem]
    unread = [_gap(each, each.problem) for each in loads if each.problem]
    in_namespace = [each for each in readable if not _untouched_legacy(host, each)]
    as_text = [each for each in readable if each not in in_namespace and not each.keeps]
    told = await _run(host, in_namespace) if in_namespace else Known(_Told((), ()))
    if isinstance(told, Unknown):
        tried = _read_only(readable, told.reason)
    else:
        dumps = (*told.value.dumps, *(_as_dump(each) for each in as_text))
        tried = _judged(in_namespace, told.value, read_ruleset(dumps))
        written = (*tried.written, *(line for each in as_text for line in each.written))
        tried = replace(tried, written=written, dumps=dumps)
    gaps = (*tried.ruleset.gaps, *(gap for gap in unread if gap))
    unread_files = (_file(each, Unknown(each.problem)) for each in loads if each.problem)
    files = (each for each in (*tried.files, *unread_files) if each.file.startswith("/"))
    return replace(tried, ruleset=replace(tried.ruleset, gaps=gaps), files=tuple(files))


def _untouched_legacy(host: Host, each: Load) -> bool:
    """Whether loading it would be the first use of iptables-legacy on this host.

    Old kernels then make the tables in every namespace, the host's own included.
    """
    if each.family is None or _backend(each.program) is not Backend.IPTABLES_LEGACY:
        return False
    names = host.read(LEGACY_TABLES[each.family])
    return not (isinstance(names, Known) and (names.value or "").strip())


def _backend(program: str) -> Backend:
    """Which backend the program writes to, by the file that its link leads to (alternatives)."""
    path = find_program(program)
    name = os.path.realpath(path) if path else ""
    legacy = "legacy" in name or "legacy" in program
    return Backend.IPTABLES_LEGACY if legacy else Backend.IPTABLES_NFT


@dataclass(frozen=True, slots=True)
class _Told:
    """What the loads printed, and the dumps of what they made."""

    outputs: tuple[Output, ...]
    dumps: tuple[Dump, ...]


async def _run(host: Host, loads: Sequence[Load]) -> Fact[_Told]:
    missing = [each.program for each in loads if find_program(each.program) is None]
    if missing:
        return Unknown(f"{missing[0]}, which loads the saved rules at boot, is not installed")
    before = [*_stand_ins(loads), *await _sets(host, loads)]
    loading = [scratch.Command((_path(each.program), *each.arguments), each.text) for each in loads]
    looks = list(_looks(loads))
    commands = [*before, *loading, *(command for _, _, command in looks)]
    told = await scratch.run(commands, host.deadline, PATIENCE_S)
    if isinstance(told, Unknown):
        return told
    outputs = told.value[len(before) : len(before) + len(loads)]
    seen = told.value[len(before) + len(loads) :]
    for (_, _, command), output in zip(looks, seen, strict=True):
        if output.code != 0:
            return Unknown(f"{command.argv[0]} failed on the saved rules: {output.complaint}")
    dumps = (Dump(look[0], look[1], out.stdout) for look, out in zip(looks, seen, strict=True))
    return Known(_Told(outputs, tuple(dumps)))


def _path(program: str) -> str:
    return find_program(program) or program


def _stand_ins(loads: Sequence[Load]) -> Iterator[scratch.Command]:
    """Devices with the names of the host's own, for ``iif`` and ``devices`` look them up."""
    text = "\n".join(each.mentions for each in loads if each.family is None)
    ip = find_program("ip")
    if ip is None or not _NAMES_INTERFACES.search(text):
        return
    named = [name for name in sorted(os.listdir(INTERFACES)) if name != "lo" and name in text]
    for number, name in enumerate(named[:16]):
        peer = ("type", "veth", "peer", "name", f"mailfix{number}")
        yield scratch.Command((ip, "link", "add", "name", name, *peer))


async def _sets(host: Host, loads: Sequence[Load]) -> list[scratch.Command]:
    """The host's own sets of today, for rules that look into them."""
    ipset = find_program("ipset")
    if ipset is None or not any(_SETS.search(each.text) for each in loads):
        return []
    told = await host.run("ipset", "save", timeout_s=PATIENCE_S)
    if isinstance(told, Unknown) or told.value.code != 0:
        return []
    return [scratch.Command((ipset, "restore"), told.value.stdout)]


def _looks(
    loads: Sequence[Load],
) -> Iterator[tuple[Backend, Family | None, scratch.Command]]:
    """The commands that list what was loaded, as for the running rules."""
    backends = {(_backend(each.program), each.family) for each in loads if each.family}
    nft = find_program("nft")
    if nft and any(each.family is None for each in loads):
        command = scratch.Command((nft, "-j", "list", "ruleset"))
        yield Backend.NFT, None, command
    for (backend, family), program in SAVE.items():
        path = find_program(program)
        if path and (backend, family) in backends:
            yield backend, family, scratch.Command((path,))
    ipset = find_program("ipset")
    if ipset and any(_SETS.search(each.text) for each in loads):
        yield Backend.IPSET, None, scratch.Command((ipset, "save"))


def _judged(loads: Sequence[Load], told: _Told, ruleset: Ruleset) -> Tried:
    files: list[BootFile] = []
    written: list[Written] = []
    gaps: list[Gap] = []
    for each, output in zip(loads, told.outputs, strict=True):
        complaint = _complaint(output)
        written += each.written
        if output.code == 0:
            files.append(_file(each, Known(None)))
        elif _OF_THE_NAMESPACE.search(complaint):
            reason = f"whether {each.file} loads at boot is not known: {complaint}"
            files.append(_file(each, Unknown(reason)))
            gap = _gap(each, reason)
            gaps += [gap] if gap else []
        else:
            files.append(_file(each, Known(complaint)))
    gaps = [*ruleset.gaps, *gaps]
    return Tried(replace(ruleset, gaps=tuple(gaps)), tuple(written), tuple(files))


def _complaint(output: Output) -> str:
    """The tool's own message in one line, without its drawings and its hint at the help."""
    lines = (line.strip() for line in (output.stderr or output.stdout)[:4000].splitlines())
    kept = [line for line in lines if line.strip("^~- \t") and not line.startswith("Try `")]
    return " ".join(kept)[:MAX_COMPLAINT] or f"exit status {output.code}"


def _read_only(loads: Sequence[Load], reason: str) -> Tried:
    plain = [each for each in loads if each.family is not None and not each.keeps]
    ruleset = read_ruleset(_as_dump(each) for each in plain)
    gaps = [_gap(each, f"{each.file} cannot be tried: {reason}") for each in loads]
    others = tuple(
        gap for each, gap in zip(loads, gaps, strict=True) if gap and each.family is None
    )
    return Tried(
        replace(ruleset, gaps=(*ruleset.gaps, *others)),
        tuple(line for each in plain for line in each.written),
        tuple(_file(each, Unknown(reason)) for each in loads),
        with_ufw=False,
    )


def _as_dump(each: Load) -> Dump:
    return Dump(_backend(each.program), each.family, each.text)


def _gap(each: Load, reason: str) -> Gap | None:
    """A file that blocks nothing may stay unread."""
    if each.mentions and not _BLOCKS.search(each.mentions):
        return None
    backend = Backend.NFT if each.family is None else _backend(each.program)
    return Gap(backend, each.family, reason)


def _file(each: Load, complaint: Fact[str | None]) -> BootFile:
    return BootFile(each.file, each.service, complaint)
