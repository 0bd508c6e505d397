"""The cure in the files that the next boot makes rules of, tried before it is proposed.

What those files load is judged by itself: where it blocks the port, it has its own cure, and each
edit of that is one line of a file. The edited files are loaded in a scratch namespace; they must
make exactly the rules that were predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mailfix.actions.firewall.changes import edited
from mailfix.actions.firewall.drafted_host import boot_files, host_with
from mailfix.changes.draft import Draft
from mailfix.changes.file import FileChange
from mailfix.changes.present import PresentRules
from mailfix.firewall import Question, RuleRef, Ruleset, judge
from mailfix.firewall.cure import ChainEdit, ChainRef, Cure, SetChange, cure
from mailfix.firewall.cure.hunks import Hunk
from mailfix.firewall.cure.originals import Originals
from mailfix.firewall.origins import AfterBoot, Comeback, Origin, Sources, trace
from mailfix.firewall.ruleset import Backend
from mailfix.firewall.saved import (
    Deed,
    Unclear,
    Verb,
    has_set,
    with_deeds,
    with_deeds_for_nft,
    without_elements,
)
from mailfix.firewall.saved.restore import end_of_table
from mailfix.host import event_loop
from mailfix.model import WHOLE, Known, Unknown
from mailfix.probes.persistence import Saved, read_found


@dataclass(frozen=True, slots=True)
class NextBoot:
    """``files`` make the next boot keep the cure; ``proof`` tells what was tried of them.

    ``manual`` says why the next boot may take the cure back all the same, and what to do then.
    """

    files: tuple[FileChange, ...] = ()
    proof: str = ""
    manual: str = ""


@dataclass(frozen=True, slots=True)
class Future:
    """The rules that run now, and the ones that run once everything in the draft is made.

    ``culprits`` are what blocks the question now.
    """

    draft: Draft
    now: Ruleset
    running: Ruleset
    culprits: tuple[RuleRef, ...]
    asked: Question
    also: tuple[Question, ...]


def next_boot(future: Future) -> NextBoot:
    """Find what must change in the files; raises :class:`mailfix.changes.Failed`."""
    host = host_with(future.draft)
    found = boot_files(host)
    saved = event_loop.run(read_found(host, Known(future.running), found))
    if isinstance(saved, Unknown):
        return NextBoot(manual=f"what the next boot makes of it is not known: {saved.reason}")
    after = saved.value.after if saved.value is not None else None
    sources = after.sources if after is not None else Sources(scripts=found.scripts)
    script = _script_beneath(future, sources)
    if script:
        told = f"perhaps {script} makes the rule again at the next boot: change it there, too"
        return NextBoot(manual=told)
    if saved.value is None or after is None:
        return NextBoot(proof="no firewall rules are loaded at boot")
    verdict = judge(after.ruleset, future.asked)
    if verdict.faults:
        return _cured(future, saved.value, after)
    if verdict.passed_share < WHOLE and verdict.undecided:
        reason = verdict.undecided[0].reason
        return NextBoot(manual=f"whether it lasts after the next boot is not certain: {reason}")
    return NextBoot(proof="after the next boot, too")


def _script_beneath(future: Future, sources: Sources) -> str:
    """The script that may have made what blocks now, as nothing else is known to; "" for none."""
    origins = trace(future.now, sources)
    for ref in future.culprits:
        origin = origins.origin_of(ref)
        if origin.comeback is Comeback.SCRIPT:
            return origin.name
    return ""


def _cured(future: Future, saved: Saved, after: AfterBoot) -> NextBoot:
    found = cure(after.ruleset, future.asked, saved.dumps, future.also)
    if not found.automatic:
        return NextBoot(manual=f"the next boot takes it back: {found.describe()}")
    owners = [step.owner.owner for step in found.plan if step.owner is not None]
    if owners:
        return NextBoot(manual=f"{owners[0]} takes it back at the next boot: {found.describe()}")
    try:
        files, predicted = _edited_files(future, saved, after, found)
    except Unclear as problem:
        told = f"the next boot takes it back, and its files cannot be changed by itself: {problem}"
        return NextBoot(manual=f"{told}; to be done there: {found.describe()}")
    wrong = _wrong(future, files, predicted)
    if wrong:
        told = f"the next boot takes it back; to be done there: {found.describe()}"
        return NextBoot(manual=f"{told} (changing {files[0].path} was tried, but {wrong})")
    names = " and ".join(each.path for each in files)
    return NextBoot(files, f"after the next boot, too: {names} was tried in a scratch namespace")


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What the edited files are to load: the texts of all rules, by chain."""

    chains: dict[ChainRef, tuple[str, ...]]
    sets: tuple[SetChange, ...]


def _edited_files(
    future: Future, saved: Saved, after: AfterBoot, found: Cure
) -> tuple[tuple[FileChange, ...], _Predicted]:
    """Raises Unclear."""
    now = PresentRules(after.ruleset, Originals.of(saved.dumps))
    chains, sets = edited(found.edits, now)
    deeds: dict[str, list[Deed]] = {}
    for edit in chains:
        for file, deed in _deeds(future, edit, after):
            deeds.setdefault(file, []).append(deed)
    texts = {file: _with(_text(future, file), own, file, after) for file, own in deeds.items()}
    for change in sets:
        file, text = _with_elements(future, texts, change, after)
        texts[file] = text
    files = tuple(
        future.draft.file(file, text.encode("utf-8", "surrogateescape"))
        for file, text in texts.items()
    )
    if not files:
        raise Unclear("no file is known to hold the rules")
    lines = _all_lines(now) | {each.chain: each.after for each in chains}
    return files, _Predicted(lines, sets)


def _with_elements(
    future: Future, texts: Mapping[str, str], change: SetChange, after: AfterBoot
) -> tuple[str, str]:
    """The file that holds the set, and its new text; raises Unclear."""
    where = change.where
    if where.backend is Backend.IPSET:
        raise Unclear(f"it is not known what makes the set {where.name} of ipset")
    for file in dict.fromkeys(each.file for each in after.sources.written):
        if _is_native(file, after):
            text = texts.get(file) or _text(future, file)
            if has_set(text, where.table, where.name):
                changed = without_elements(text, where.table, where.name, change.gone, change.come)
                return file, changed
    raise Unclear(f"no file is known to make the set {where.name}")


def _text(future: Future, file: str) -> str:
    state = future.draft.read(file)
    if state is None:
        raise Unclear(f"there is no {file}")
    return state.data.decode("utf-8", "surrogateescape")


def _with(text: str, deeds: Sequence[Deed], file: str, after: AfterBoot) -> str:
    if _is_native(file, after):
        return with_deeds_for_nft(text, deeds)
    return with_deeds(text, deeds)


def _is_native(file: str, after: AfterBoot) -> bool:
    """Whether nft reads the file: what is written for iptables begins with its option or chain."""
    own = [each.text for each in after.sources.written if each.file == file]
    return bool(own) and not any(each.startswith(("-", ":")) for each in own)


def _deeds(future: Future, edit: ChainEdit, after: AfterBoot) -> Iterator[tuple[str, Deed]]:
    for hunk in edit.hunks:
        rules = tuple(each.text for each in hunk.new)
        if not hunk.old:
            yield _addition(future, edit, hunk, after, rules)
            continue
        for more in range(len(hunk.old)):
            origin = _origin(edit, hunk.at + more, after)
            if origin is None:
                raise Unclear(f"it is not known where this comes from: {hunk.old[more].text}")
            deed = Deed(origin.line, Verb.INSTEAD, origin.text, rules if more == 0 else ())
            yield origin.name, deed


def _addition(
    future: Future, edit: ChainEdit, hunk: Hunk, after: AfterBoot, rules: tuple[str, ...]
) -> tuple[str, Deed]:
    """Beside the saved line of the nearest rule, or where the chain has its policy."""
    before, length = hunk.at, len(edit.before)
    below = _origin(edit, before, after) if before < length else None
    if below is not None:
        return below.name, Deed(below.line, Verb.BEFORE, below.text, rules)
    above = _origin(edit, before - 1, after) if before else None
    if above is not None:
        return above.name, Deed(above.line, Verb.BEHIND, above.text, rules)
    policy = _origin(edit, None, after)
    if policy is None or length:
        raise Unclear(f"no file is known to make the rules of chain {edit.chain.chain}")
    if edit.chain.backend is not Backend.NFT:
        end = end_of_table(_text(future, policy.name), edit.chain.table)
        return policy.name, replace(end, rules=rules)
    return policy.name, Deed(policy.line, Verb.BEHIND, policy.text, rules)


def _origin(edit: ChainEdit, at: int | None, after: AfterBoot) -> Origin | None:
    """The line of a file that makes the rule (from 0; None: the policy)."""
    chain = edit.chain
    position = None if at is None else at + 1
    ref = RuleRef(chain.backend, chain.family, chain.table, chain.chain, position, None, "")
    found = after.origins.origin_of(ref)
    return found if found.comeback is Comeback.FILE and found.line else None


def _wrong(future: Future, files: Sequence[FileChange], predicted: _Predicted) -> str:
    """What the edited files load other than was predicted; "" for nothing."""
    host = host_with(future.draft.with_changes(files))
    tried = event_loop.run(read_found(host, Known(future.running), boot_files(host)))
    if isinstance(tried, Unknown):
        return tried.reason
    if tried.value is None or tried.value.after is None:
        return "then nothing would be loaded"
    refused = [each.file for each in tried.value.files if each.complaint != Known(None)]
    if refused:
        return f"{refused[0]} would be refused"
    now = PresentRules(tried.value.after.ruleset, Originals.of(tried.value.dumps))
    if _all_lines(now) != predicted.chains or not all(map(now.holds, predicted.sets)):
        return "it makes other rules than was predicted"
    if judge(tried.value.after.ruleset, future.asked).faults:
        return "the port stays blocked"
    return ""


def _all_lines(now: PresentRules) -> dict[ChainRef, tuple[str, ...]]:
    chains = [
        ChainRef(table.backend, table.family, table.name, name)
        for table in now.ruleset.tables
        for name in table.chains
    ]
    return {each: now.lines(each) for each in chains}
