"""The commands: parse arguments, call, print."""

from __future__ import annotations

import gc
import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, Optional

import typer

from mailfix import __version__
from mailfix.model import Family

if TYPE_CHECKING:
    from mailfix.report.fix.undone import Undone

CHECK = "check"
USAGE_ERROR = 64
PROGRAM_FAILED = 70
COLLECT_AFTER = 50_000
"""Objects: a short run makes fewer, and a long one must not keep its garbage."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Finds, names and repairs what stops mail on this host.",
    epilog="Exit codes: 0 nothing wrong, 1 something wrong, 2 something not found out, "
    "64 usage error, 70 mailfix itself failed.",
)


class Format(StrEnum):
    text = "text"
    json = "json"


class ReportFormat(StrEnum):
    text = "text"
    json = "json"
    html = "html"


class AuditFormat(StrEnum):
    text = "text"
    json = "json"
    html = "html"
    prometheus = "prometheus"
    nagios = "nagios"


def _print_version(wanted: bool) -> None:
    if wanted:
        _out(f"mailfix {__version__}\n")
        raise typer.Exit


def _a_number(value: float) -> float:
    """Neither below the least nor above the most, and yet no number: ``nan``."""
    if value != value:
        raise typer.BadParameter("expected a number")
    return value


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Finds, names and repairs what stops mail on this host."""


@app.command(epilog="Example: mailfix audit --format json | jq '.findings[] | .message'")
def audit(
    form: AuditFormat = typer.Option(AuditFormat.text, "--format", help="How to write the report."),
    every: bool = typer.Option(
        False, "--all", help="List the checks that passed, too, and every domain of a failure."
    ),
    domain: Optional[list[str]] = typer.Option(  # noqa: UP045
        None, help="Judge this mail domain, too; may be given several times."
    ),
) -> None:
    """Tell what on this host, and in its DNS, stops mail. Changes nothing; run it as root."""
    from mailfix import auditor

    report = auditor.run(tuple(domain or ()))
    match form:
        case AuditFormat.json:
            from mailfix.report import document

            for piece in document.write(report):
                _out(piece)
        case AuditFormat.html:
            from mailfix.report.html import page

            _out(page.write(report))
        case AuditFormat.prometheus:
            from mailfix.report import prometheus

            _out(prometheus.write(report))
        case AuditFormat.nagios:
            from mailfix.report import nagios

            _out(nagios.write(report))
        case AuditFormat.text:
            from mailfix.report import text

            _out(text.write(report, every=every, colour=_colour()))
    raise typer.Exit(report.exit_code)


@app.command(epilog="Example: mailfix report --format json | jq '.new[] | .message'")
def report(
    form: ReportFormat = typer.Option(
        ReportFormat.text, "--format", help="How to write what it says."
    ),
    no_delivery: bool = typer.Option(
        False, "--no-delivery", help="Say it here alone: tell nobody, and keep nothing."
    ),
) -> None:
    """Audit, and tell what is new, better and still there since the last report; run it as root.

    It goes to the journal, a page, Prometheus, a webhook and by mail, as mailfix.yml says, and is
    kept in /var/lib/mailfix/reports. Exit codes as those of audit: 0, 1, 2, 64, 70.
    """
    from mailfix.report.news import document, text
    from mailfix.reporter import reporting

    issue = reporting.look() if no_delivery else reporting.run()
    for trouble in issue.troubles:
        _warn(trouble)
    bulletin = issue.bulletin
    match form:
        case ReportFormat.json:
            _out(document.write(document.document(bulletin)))
        case ReportFormat.html:
            from mailfix.report.html import page

            _out(page.write(bulletin.report, bulletin.news, bulletin.acknowledged))
        case ReportFormat.text:
            _out(text.write(bulletin, colour=_colour()))
    raise typer.Exit(issue.exit_code)


@app.command(
    epilog="Example: mailfix ignore ptr-generic --subject family=ipv6 --until 30d "
    "--why 'a new provider is ordered'"
)
def ignore(
    rule: Optional[str] = typer.Argument(  # noqa: UP045
        None, help="The id of a rule; without, what is ignored is listed."
    ),
    subject: Optional[list[str]] = typer.Option(  # noqa: UP045
        None,
        metavar="KEY=VALUE",
        help="Only failures about this; may be given several times, and then all must fit.",
    ),
    until: Optional[str] = typer.Option(  # noqa: UP045
        None, metavar="DATE", help="The last day: 2026-12-24, 30d or 4w."
    ),
    why: Optional[str] = typer.Option(None, metavar="TEXT", help="For the list."),  # noqa: UP045
    end: bool = typer.Option(False, "--end", help="Take it back."),
) -> None:
    """Ignore a rule's failures for a while: they count neither as wrong nor as new."""
    from datetime import date

    from mailfix import auditor
    from mailfix.acknowledged import ignoring
    from mailfix.acknowledged.book import THIS_HOST
    from mailfix.report.news import acknowledged

    if rule is None and (subject or until or why or end):
        raise typer.BadParameter("name a rule; 'mailfix rules' lists them")
    if end and (until or why):
        raise typer.BadParameter("--end takes neither --until nor --why")
    if rule is None:
        _out(acknowledged.write_list(THIS_HOST.read(), date.today()))
    elif end:
        ended = ignoring.end(rule, subject or (), auditor.rules())
        _out(f"no longer ignored: {acknowledged.told(ended)}\n")
    else:
        begun = ignoring.ignore(rule, subject or (), until, why, auditor.rules())
        _out(f"ignored {acknowledged.told(begun)}\n")


@app.command(epilog="Example: mailfix probe mail.example.com --port 25 --port 587")
def probe(
    host: str = typer.Argument(..., help="A host name or an IP address."),
    port: Optional[list[int]] = typer.Option(  # noqa: UP045
        None, min=1, max=65535, help="A port that must be open; may be given several times."
    ),
    timeout: float = typer.Option(
        10.0, min=0.5, max=60.0, callback=_a_number, help="Patience per contact, seconds."
    ),
    form: Format = typer.Option(Format.text, "--format", help="How to write the report."),
) -> None:
    """Look at a mail host from outside: run this on another machine. Needs no root, sends no mail.

    Without --port, tcp/25 must be open and the client ports are told.
    """
    import json

    from mailfix import outside
    from mailfix.report import outside as report

    seen = outside.run(host, tuple(port) if port else None, timeout)
    if form is Format.json:
        _out(json.dumps(report.document(seen), indent=1) + "\n")
    else:
        _out(report.text(seen, _colour()))
    raise typer.Exit(report.exit_code(seen))


@app.command(epilog="Example: mailfix explain 25 --from 198.51.100.7")
def explain(
    port: str = typer.Argument(..., help="A port, or a mail service such as submission."),
    out: bool = typer.Option(False, "--out", help="What the mail user sends, not what comes in."),
    source: Optional[str] = typer.Option(  # noqa: UP045
        None, "--from", help="Where it comes from; without, the whole Internet."
    ),
    to: Optional[str] = typer.Option(  # noqa: UP045
        None, "--to", help="With --out: where it goes; without, the whole Internet."
    ),
    family: Optional[Family] = typer.Option(None, help="Over IPv4 or IPv6 alone."),  # noqa: UP045
    udp: bool = typer.Option(False, "--udp", help="UDP instead of TCP."),
    cure: bool = typer.Option(
        False, "--cure", help="Also find the smallest change that opens it; takes longer."
    ),
    form: Format = typer.Option(Format.text, "--format", help="How to write the answer."),
) -> None:
    """Follow a new connection through the firewall, rule by rule; run it as root.

    Exit codes: 0 open, 1 blocked, 2 undecided or not found out.
    """
    from mailfix import explainer
    from mailfix.explainer.request import read_request
    from mailfix.report.explain import document, text

    request = read_request(port, out=out, udp=udp, source=source, to=to, family=family, cure=cure)
    explanation = explainer.run(request)
    if form is Format.json:
        _out(document.write(explanation) + "\n")
    else:
        _out(text.write(explanation, colour=_colour(), width=_width()))
    raise typer.Exit(explanation.exit_code)


@app.command(epilog="Example: mailfix fix --only firewall-inbound-blocked")
def fix(
    yes: bool = typer.Option(
        False, "--yes", help="Ask nothing: do what is automatic and proven to change nothing else."
    ),
    only: Optional[list[str]] = typer.Option(  # noqa: UP045
        None, help="Look at the findings of this rule alone; may be given several times."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what could be done; do nothing."),
    no_guard: bool = typer.Option(
        False, "--no-guard", help="Never take back by itself: for a local console alone."
    ),
    form: Format = typer.Option(Format.text, "--format", help="How to write the result."),
) -> None:
    """Repair what is wrong, as one transaction that is taken back unless it works; run it as root.

    With --yes, what could lock you out is taken back unless 'mailfix confirm' comes in time.
    Exit codes: 0 all that was chosen is applied and verified, 1 something is left.
    """
    from mailfix.fixer import fixing
    from mailfix.report.fix import document, text

    request = fixing.Request(tuple(only or ()), yes, dry_run, not no_guard)
    result = fixing.run(request)
    _out(
        document.write(result) + "\n"
        if form is Format.json
        else text.write(result, colour=_colour())
    )
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: mailfix confirm")
def confirm(
    number: Optional[int] = typer.Argument(  # noqa: UP045
        None, min=1, help="Which transaction; without, the one that waits."
    ),
) -> None:
    """Keep what a fix did under guard. Best from a new session: that shows that you can log in."""
    from mailfix.fixer import waiting

    _out(f"transaction {waiting.confirm(number)} is kept\n")


@app.command(epilog="Example: mailfix undo 3")
def undo(
    number: Optional[int] = typer.Argument(  # noqa: UP045
        None, min=1, help="Which transaction; without, the last one."
    ),
    yes: bool = typer.Option(False, "--yes", help="Ask nothing."),
    force: Optional[list[str]] = typer.Option(  # noqa: UP045
        None,
        help="Overwrite this file, or record set (example.com/TXT), although it was changed since; "
        "may be given several times.",
    ),
    no_guard: bool = typer.Option(
        False, "--no-guard", help="Never take back by itself: for a local console alone."
    ),
    form: Format = typer.Option(Format.text, "--format", help="How to write the result."),
) -> None:
    """Take an earlier fix back, to the byte. What was changed since is shown, not overwritten."""
    from mailfix.fixer import undoing

    result = undoing.run(number, force=frozenset(force or ()), yes=yes, guard=not no_guard)
    _tell_undone(result, form)
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: mailfix history 3")
def history(
    number: Optional[int] = typer.Argument(None, min=1, help="Which one to show."),  # noqa: UP045
    form: Format = typer.Option(Format.text, "--format", help="How to write it."),
) -> None:
    """List what was changed on this host, or show one transaction with its differences."""
    from mailfix.fixer.history import entries
    from mailfix.report.fix import history

    found = entries(number)
    if form is Format.json:
        _out(history.document(found) + "\n")
    elif number is None:
        _out(history.write_list(found, colour=_colour()))
    else:
        _out(history.write_entry(found[0], colour=_colour()))


@app.command(epilog="Example: mailfix recover")
def recover(
    force: Optional[list[str]] = typer.Option(  # noqa: UP045
        None,
        help="Overwrite this file, or record set (example.com/TXT), although it was changed since; "
        "may be given several times.",
    ),
    guard: Optional[int] = typer.Option(None, hidden=True),  # noqa: UP045
    boot: bool = typer.Option(False, hidden=True),
    form: Format = typer.Option(Format.text, "--format", help="How to write the result."),
) -> None:
    """Take back what a crash left half-way, or try again where a fix is stuck."""
    from mailfix.fixer import waiting

    results = waiting.recover(guard, boot=boot, force=frozenset(force or ()))
    for result in results:
        _tell_undone(result, form)
    if not results and form is Format.text:
        _out("nothing to recover\n")
    raise typer.Exit(max((result.exit_code for result in results), default=0))


def _tell_undone(result: Undone, form: Format) -> None:
    from mailfix.report.fix import undone

    if form is Format.json:
        _out(undone.document(result) + "\n")
    else:
        _out(undone.write(result, colour=_colour()))


@app.command(CHECK, epilog="Example: mailfix check --last --max-age 26")
def check(
    last: bool = typer.Option(
        False, "--last", help="Take the last report that was kept; without, audit now."
    ),
    max_age: float = typer.Option(
        26.0,
        min=0.1,
        max=10_000,
        callback=_a_number,
        help="With --last: how old it may be, in hours.",
    ),
    timeout: float = typer.Option(
        55.0,
        min=0.5,
        max=3600,
        callback=_a_number,
        help="How long an audit may take, in seconds.",
    ),
) -> None:
    """Tell a monitoring system in one line what is wrong; a plugin for Nagios, Icinga and others.

    Exit codes: 0 OK, 1 warning, 2 critical, 3 unknown; the last also for errors of any kind.
    """
    from datetime import timedelta

    from mailfix.reporter import checking

    verdict = checking.last(timedelta(hours=max_age)) if last else checking.now(timeout)
    _out(verdict.line)
    raise typer.Exit(verdict.exit_code)


@app.command("send-mail", hidden=True)
def send_mail() -> None:
    """Send the mails of earlier reports that wait. Exit code 1: some are left."""
    from mailfix.reporter import mailing

    done = mailing.run()
    _out(f"{done.sent} sent, {done.left} left\n")
    for trouble in done.troubles:
        _warn(trouble)
    raise typer.Exit(done.exit_code)


@app.command("report-failed", hidden=True)
def report_failed(unit: str = typer.Argument(..., help="The unit that failed.")) -> None:
    """Tell that the report itself failed; started by systemd."""
    from mailfix.reporter import failing

    for delivery in failing.run(unit):
        if delivery.outcome == "failed":
            _warn(f"{delivery.door}: {delivery.detail}")


@app.command(epilog="Example: mailfix rules ptr-missing")
def rules(
    rule: Optional[str] = typer.Argument(None, help="The id of a rule."),  # noqa: UP045
) -> None:
    """List the rules, or tell everything about one."""
    from mailfix import auditor
    from mailfix.report import text

    book = auditor.rules()
    if rule is None:
        _out(text.write_rules(book, colour=_colour()))
        return
    chosen = next((each for each in book if each.id == rule), None)
    if chosen is None:
        raise typer.BadParameter(f"there is no rule {rule!r}; 'mailfix rules' lists them")
    _out(text.write_rule(chosen, colour=_colour()))


class _Unwritten(Exception):
    """What was to be told could not be written; the text says why, or is "" where nobody reads."""


def _out(text: str) -> None:
    """Raises :class:`_Unwritten`, for the library takes a broken pipe for exit code 1."""
    try:
        sys.stdout.write(text)
    except OSError as error:
        raise _unwritten(error) from None


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _unwritten(error) from None


def _unwritten(error: OSError) -> _Unwritten:
    if isinstance(error, BrokenPipeError):
        return _Unwritten("")
    return _Unwritten(f"the output cannot be written: {error.strerror}")


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _width() -> int:
    """The terminal's, and for a file or a pipe one that rules of usual length fit in."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 160


def main() -> NoReturn:
    """Run the command line and exit with the code that the contract names."""
    _open_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # A command ends within seconds, and to look through the objects of 50,000 rules again and
    # again takes as long as to judge them.
    gc.set_threshold(COLLECT_AFTER)
    try:
        code = app(standalone_mode=False)
        _flush()
    except _Unwritten as error:
        code = _not_written(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("interrupted", 130)
    except Exception as error:
        message, code = _explained(error)
        code = _check_failed(message) if _is_check() else _complain(message, code)
    sys.exit(code)


def _open_streams() -> None:
    """A stream that was closed leads nowhere: no file of ours may get its number."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _not_written(why: str) -> int:
    """Nobody was told, so this is no result: neither of an audit nor of a monitoring plugin."""
    from mailfix.report import nagios

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if why:
        _warn(why)
    return nagios.Service.UNKNOWN if _is_check() else PROGRAM_FAILED


def _is_check() -> bool:
    return sys.argv[1:2] == [CHECK]


def _explained(error: Exception) -> tuple[str, int]:
    """What to tell, and the exit code.

    Typer names its usage errors differently from release to release; all format themselves.
    """
    from mailfix.model import Refusal

    if hasattr(error, "format_message"):
        return f"{error.format_message()} (mailfix --help)", USAGE_ERROR
    if isinstance(error, Refusal):
        return str(error), USAGE_ERROR
    if os.environ.get("MAILFIX_DEBUG"):
        raise error
    kind = type(error).__name__
    told = f"internal error, please report it: {kind}: {error} (MAILFIX_DEBUG=1 shows where)"
    return told, PROGRAM_FAILED


def _check_failed(message: str) -> int:
    """To a monitoring system every error is the state UNKNOWN, told on stdout."""
    from mailfix.report import nagios

    try:
        _out(nagios.trouble(message))
        _flush()
    except _Unwritten as error:
        return _not_written(str(error))
    return nagios.Service.UNKNOWN


def _complain(message: str, code: int) -> int:
    _warn(message)
    return code


def _warn(message: str) -> None:
    from mailfix.report.escape import escape

    sys.stderr.write(f"mailfix: {escape(message)}\n")
