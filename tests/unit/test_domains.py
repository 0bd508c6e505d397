"""For which domains a host handles mail: exim's lists, files, panels and the administrator."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mailfix.facts import MailDomains
from mailfix.host import Host
from mailfix.host.database import first_column
from mailfix.mail_records.domain_name import is_mail_domain, shown_domain
from mailfix.model import Known, Refusal, Unknown
from mailfix.probes import domains
from mailfix.probes.exim import Told

QUERY = "SELECT name FROM email_domain WHERE enabled"


def served(
    local: str,
    *,
    routers: dict[str, dict[str, str]] | None = None,
    wanted: tuple[str, ...] = (),
    **options: str,
) -> MailDomains:
    settings = {"primary_hostname": "mail.example.com", "+local_domains": local}
    settings |= {f"+{name}" if "domains" in name else name: text for name, text in options.items()}
    told = Told(settings, routers or {}, {}, program="no-such-program")
    return asyncio.run(domains.of_exim(Host.within(5.0), told, wanted))


@pytest.mark.parametrize(
    ("local", "names"),
    [
        ("@:localhost:example.com", ("example.com",)),
        ("example.com : Example.NET : example.com.", ("example.com", "example.net")),
        ("<; example.com ; example.net", ("example.com", "example.net")),
        ("@ : localhost", ("mail.example.com",)),
        ("mail.example.com : example.net", ("example.net",)),
        ("example.com : host.local : x.test : in-addr.arpa : localdomain", ("example.com",)),
        ("!bad.example : example.com : bad.example", ("example.com",)),
        ("bad.example : !bad.example", ("bad.example",)),
        ("xn--mller-kva.example : mÜller.example", ("xn--mller-kva.example",)),
        ("+other_domains : example.com", ("example.com", "example.org")),
        ("", ()),
    ],
)
def test_exims_own_list(local: str, names: tuple[str, ...]) -> None:
    found = served(local, other_domains="example.org : +other_domains")
    assert found.names == names
    assert found.unread == ()


def test_the_hosts_own_name_is_judged_where_it_is_asked_for() -> None:
    found = served("@ : example.com", wanted=("mail.example.com", "example.org"))
    assert found.names == ("example.com", "example.org", "mail.example.com")


def test_mail_from_cron_has_a_domain_of_its_own() -> None:
    assert served("example.com", qualify_domain="example.net").names == (
        *("example.com", "example.net"),
    )
    assert served("example.com", qualify_domain="mail.example.com").names == ("example.com",)


def test_what_is_passed_on_is_told_apart() -> None:
    found = served("example.com", relay_to_domains="example.net : example.com")
    assert (found.names, found.relayed) == (("example.com",), ("example.net",))


def test_lists_in_files_and_folders(tmp_path: Path) -> None:
    listed, folder = tmp_path / "domains", tmp_path / "virtual"
    listed.write_text("# ours\na.example: anna\nb.example\n*.c.example\nd.example # old\n\n")
    for name in ("e.example", "f.example", "not-a-domain"):
        (folder / name).mkdir(parents=True)
    found = served(
        f"lsearch;{listed} : dsearch;{folder}",
        routers={
            "virtual": {"driver": "redirect", "domains": f"partial-lsearch*;{tmp_path}/more"},
            "away": {"driver": "dnslookup", "domains": "! +local_domains : g.example"},
        },
    )
    assert found.names == tuple(f"{letter}.example" for letter in "abdef")
    assert found.unread == ()
    (tmp_path / "more").write_text("h.example\n")
    expanded = f"${{lookup{{$domain}}lsearch{{{listed}}}{{$domain}}}} : example.com"
    assert served(expanded).names == ("a.example", "b.example", "d.example", "example.com")
    expanded = f"${{lookup{{$domain}}dsearch{{{folder}}}{{$domain}}{{}}}}"
    assert served(expanded).names[0] == "e.example"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("${lookup mysql{SELECT d FROM x WHERE d='${quote_mysql:$domain}'}}", "(mysql)"),
        ("sqlite;/var/x SELECT d FROM x", "(sqlite)"),
        ("*.example.com", "names none: *.example.com"),
        ("^.*$", "names none"),
        ("*", "names none"),
        ("${lookup{$domain", "names none"),
        ("cdb;/etc/domains.cdb", "names none"),
    ],
)
def test_what_cannot_be_read_is_said(item: str, why: str) -> None:
    found = served(f"example.com : {item}")
    assert found.names == ("example.com",)
    assert len(found.unread) == 1
    assert why in found.unread[0]


def test_a_refused_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    found = served(f"lsearch;{tmp_path}/fifo")
    assert found.unread == (f"{tmp_path}/fifo is not a regular file",)


def test_an_exim_without_such_a_list_is_said() -> None:
    told = Told({"primary_hostname": "mail.example.com"}, {}, {}, program="no-such-program")
    found = asyncio.run(domains.of_exim(Host.within(5.0), told))
    assert found.unread == ("exim has no list +local_domains",)


def test_ten_thousand_domains_take_well_under_a_second(tmp_path: Path) -> None:
    listed = tmp_path / "domains"
    listed.write_text("".join(f"d{number}.example: user\n" for number in range(10_000)))
    started = time.process_time()
    found = served(f"lsearch;{listed}")
    assert len(found.names) == 10_000
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        (" example.com\n", "example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
    ],
)
def test_a_domain_may_be_written_as_people_do(text: str, name: str) -> None:
    assert domains.ascii_domain(text) == name
    assert domains.configured([text, name]) == (name,)


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost", "host.local", "a..b", "exa mple.com", "a_b", "192.0.2.1"),
        *("user@example.com", "*.example.com", "\x1b[31m.com", "\ud800.com"),
        *("x" * 64 + ".com", "x." * 200 + "com"),
    ],
)
def test_what_cannot_have_mail_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        domains.ascii_domain(text)
    assert str(refused.value).isprintable()


def test_a_domain_is_shown_as_people_know_it() -> None:
    assert shown_domain("example.com") == "example.com"
    assert shown_domain("xn--mller-kva.example") == "müller.example (xn--mller-kva.example)"
    assert shown_domain("xn--\u00e4.example") == "xn--\u00e4.example"
    assert shown_domain("xn--99999999999.example") == "xn--99999999999.example"


def test_names_that_can_have_mail() -> None:
    assert is_mail_domain("example.com")
    assert is_mail_domain("xn--mller-kva.xn--p1ai")
    assert not is_mail_domain("example")
    assert not is_mail_domain("10.in-addr.arpa")
    assert not is_mail_domain("printer.home.arpa")


@contextmanager
def panel(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A panel's database that the panel has open, in a journal mode of SQLite."""
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("CREATE TABLE email_domain (name TEXT, dkim INTEGER, enabled INTEGER)")
        rows = [("a.example", 1, 1), ("b.example", 0, 1), ("c.example", 1, 0)]
        database.executemany("INSERT INTO email_domain VALUES (?, ?, ?)", rows)
        database.commit()
        yield database


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {each.name: (each.stat().st_mtime_ns, each.stat().st_size) for each in folder.iterdir()}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_panels_database_is_read_while_it_writes_and_left_as_it_is(
    tmp_path: Path, mode: str
) -> None:
    file = tmp_path / "fastpanel2.db"
    with panel(file, mode) as database:
        before = state(tmp_path)
        assert first_column(str(file), QUERY, 10) == Known(("a.example", "b.example"))
        assert state(tmp_path) == before
        database.execute("INSERT INTO email_domain VALUES ('d.example', 1, 1)")
        assert first_column(str(file), QUERY, 10) == Known(("a.example", "b.example"))
        database.commit()
        assert first_column(str(file), QUERY, 10) == Known(("a.example", "b.example", "d.example"))
    before = state(tmp_path)
    assert first_column(str(file), QUERY, 10) == Known(("a.example", "b.example", "d.example"))
    assert state(tmp_path) == before


def test_a_database_that_is_none_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "db"
    assert first_column(str(file), QUERY, 10) == Known(())
    for content in (b"nonsense" * 100, b"SQLite format 3\0" + b"\x10\x00\x02\x02" + bytes(80)):
        file.write_bytes(content)
        assert isinstance(first_column(str(file), QUERY, 10), Unknown)
    assert [each.name for each in tmp_path.iterdir()] == ["db"]
