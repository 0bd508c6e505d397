"""The configuration that exim's next start will read: made as that start makes it, and judged.

Nothing of what is in use is touched: it is made in a folder of our own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailfix.changes.change import Failed
from mailfix.facts import Endpoint, EximSettings
from mailfix.host import program
from mailfix.host.files import scratch_file
from mailfix.host.process import Output, find_program
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import exim

DEBIAN_FOLDER = "/etc/exim4"
DEBIAN_NAMES = ("update-exim4.conf.conf", "exim4.conf.template", "exim4.conf.localmacros")
SPLIT_FOLDER = "conf.d"

Replaced = Mapping[str, bytes | None]
"""Files, by their own paths, as they shall be; None is no file."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that exim takes; ``options`` are those of ``exim -bP``, by name.

    ``helo`` is the name that it gives to others (RFC 5321 4.1.1.1).
    """

    options: Mapping[str, str]
    helo: Fact[str]

    def endpoints(self, arguments: tuple[str, ...]) -> tuple[Endpoint, ...]:
        """Where a daemon with these arguments listens; raises Failed where that is not clear."""
        found = exim.parse_settings(dict(self.options), arguments)
        if isinstance(found, Unknown):
            raise Failed(found.reason)
        assert isinstance(found.value, EximSettings)
        return found.value.endpoints

    @property
    def ports_under_tls(self) -> frozenset[int]:
        """The ports on which nothing is said before TLS."""
        found = exim.split_list(self.options.get("tls_on_connect_ports", ""))
        try:
            return frozenset(exim.port_number(each) for each in found)
        except ValueError as error:
            raise Failed(f"tls_on_connect_ports is not understood: {error}") from None


class Invalid(Failed):
    """Exim does not take the configuration; the text is its complaint."""


def name_of_exim() -> str:
    """The name of exim's program; raises Failed where it is not installed."""
    found = next(filter(find_program, exim.NAMES), None)
    if found is None:
        raise Failed("exim is not installed")
    return found


def in_use() -> Configuration:
    """What exim says of the file that it reads now; raises Failed."""
    return _configuration(name_of_exim())


def coming(replaced: Replaced | None = None) -> Configuration:
    """What the next start will read, with some files as they shall be.

    Raises:
        Invalid: exim does not take it; nothing may be restarted.
        Failed: it cannot be found out.
    """
    name = name_of_exim()
    version = _run(name, "-bV")
    file = exim.parse_file(version.stdout + version.stderr)
    if file is None:
        raise Failed(f"exim does not tell its configuration file: {version.complaint}")
    try:
        with scratch_file("config") as made:
            return _judged(name, file, made, _make(file, made, replaced or {}))
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}") from None


def _judged(name: str, file: str, made: str, judged: str) -> Configuration:
    verdict = exim.judged(_run(name, "-bV", "-C", judged), file, "")
    if not verdict.valid:
        raise Invalid(verdict.complaint.replace(made, file))
    return _configuration(name, "-C", judged)


def _configuration(*command: str) -> Configuration:
    options = _told(_run(*command, "-bP"))
    told = exim.Told(
        dict(options),
        exim.parse_sections(_run(*command, "-bP", "routers").stdout),
        exim.parse_sections(_run(*command, "-bP", "transports").stdout),
    )
    mta = exim.parse_mta(told)
    helo = mta.value.helo if isinstance(mta, Known) and mta.value else Unknown("exim is not there")
    return Configuration(options, helo)


def _make(file: str, made: str, replaced: Replaced) -> str:
    """Make the file that exim is to judge; gives its path."""
    if file == exim.GENERATED and find_program("update-exim4.conf"):
        _generate(made, replaced)
        return made
    content = replaced.get(os.path.realpath(file))
    if content is None:
        return file
    _write(made, content)
    return made


def _generate(made: str, replaced: Replaced) -> None:
    folder = os.path.join(os.path.dirname(made), "exim4")
    _copy_sources(folder, replaced)
    output = _run("update-exim4.conf", "-d", folder, "-o", made)
    if output.code != 0:
        raise Invalid(f"update-exim4.conf: {output.complaint.replace(folder, DEBIAN_FOLDER)}")


def _copy_sources(folder: str, replaced: Replaced) -> None:
    os.mkdir(folder)
    new = [os.path.relpath(path, DEBIAN_FOLDER) for path in replaced if _is_source(path)]
    for name in {*_source_names(), *new}:
        content = _content(os.path.join(DEBIAN_FOLDER, name), replaced)
        target = os.path.join(folder, name)
        if content is not None:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _write(target, content)


def _is_source(path: str) -> bool:
    return path.startswith(f"{os.path.realpath(DEBIAN_FOLDER)}/")


def _source_names() -> Iterator[str]:
    yield from DEBIAN_NAMES
    for folder, _, names in os.walk(os.path.join(DEBIAN_FOLDER, SPLIT_FOLDER)):
        yield from (os.path.relpath(os.path.join(folder, name), DEBIAN_FOLDER) for name in names)


def _content(path: str, replaced: Replaced) -> bytes | None:
    real = os.path.realpath(path)
    if real in replaced:
        return replaced[real]
    if not os.path.isfile(real):
        return None
    with open(real, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _told(output: Output) -> Mapping[str, str]:
    found = exim.parse_options(output.stdout)
    if "primary_hostname" not in found:
        raise Failed(f"exim -bP does not tell its settings: {output.complaint}")
    return found


def _run(*argv: str) -> Output:
    told = program.run(argv)
    if isinstance(told, Unknown):
        raise Failed(told.reason)
    return told.value


def differing(before: Configuration, after: Configuration) -> Iterable[str]:
    """The names of the main options in which two configurations differ."""
    names = {*before.options, *after.options}
    return sorted(each for each in names if before.options.get(each) != after.options.get(each))
