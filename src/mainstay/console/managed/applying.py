"""Files into the installation: plan, drift, all in one transaction; and the installation into files.

Invariant: nothing is changed before everything is read and compared; the first refusal rolls all of it back.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from django.db import transaction

from mainstay.console.managed import files as texts
from mainstay.console.managed.files import SUFFIX, Item, Spec
from mainstay.console.managed.kinds import KINDS, Kind
from mainstay.console.managed.reach import Reach
from mainstay.console.models import Managed
from mainstay.core.access.services import require
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, MainstayError
from mainstay.kernel.json import Json
from mainstay_trust import canonical

_SET = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
Files = Mapping[str, str]
T = TypeVar("T")
# Lines that tell and do not change: what no file names, and what waits for a machine to join.
QUIET = frozenset({"unmanaged", "waiting"})


@dataclass(frozen=True)
class Line:
    """One line of a plan. `change`: create, update, remove, or what changes nothing (QUIET). `place`: file and line, where there is one."""

    change: str
    kind: str
    key: str
    place: str = ""
    old: Spec | None = None
    new: Spec | None = None

    def as_json(self) -> dict[str, Json]:
        return {"change": self.change, "kind": self.kind, "key": self.key, "place": self.place, "old": self.old, "new": self.new}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a set of files is to be applied."""

    file_set: str = "main"
    prune: bool = False
    overwrite_drift: bool = False
    dry_run: bool = False


@dataclass
class _Work:
    """One application: who, where, what it wishes, and the plan as it grows."""

    reach: Reach
    wish: Wish
    managed: Mapping[tuple[str, str], Managed]
    lines: list[Line] = field(default_factory=list)


def export_files(*, actor: Actor, clock: Clock) -> dict[str, str]:
    """Return the whole configuration within reach, one text for each kind that has something to say."""
    require(actor, "console.config.read")
    reach = Reach(actor, clock)
    managed = list(Managed.objects.filter(tenant=actor.tenant).exclude(waiting=None))
    written = {f"{kind.name}{SUFFIX}": texts.write(_all_of(kind, reach, managed), kind.fields, kind.key) for kind in KINDS}
    return {name: text for name, text in written.items() if text}


def _all_of(kind: Kind, reach: Reach, managed: Iterable[Managed]) -> list[Spec]:
    """Return what is there and what still waits: files that are taken to another installation lose nothing."""
    current = kind.current(reach)
    there = {kind.key_of(spec) for spec in current}
    return current + [row.waiting for row in managed if row.kind == kind.name and row.key not in there and row.waiting]


@transaction.atomic
def apply_files(*, actor: Actor, files: Files, wish: Wish, clock: Clock) -> list[Line]:
    """Make the installation say what the files say, and return what changed (or, for a dry run, would change).

    Errors: Invalid with file and line; Conflict("config.drift"); whatever a service refuses, with file and line before it.
    """
    require(actor, "console.config.apply")
    if not _SET.fullmatch(wish.file_set):
        raise Invalid("config.set_name", "A set of files is named by small letters, digits and hyphens.")
    items = _read(files)
    managed = {(one.kind, one.key): one for one in Managed.objects.filter(tenant=actor.tenant)}
    work = _Work(Reach(actor, clock), wish, managed)
    for kind in KINDS:
        _apply_kind(work, kind, items[kind.name])
    changed = [line for line in work.lines if line.change not in QUIET]
    if changed and not wish.dry_run:
        _record(actor, files, wish, changed, clock)
    return work.lines


def _read(files: Files) -> dict[str, dict[str, Item]]:
    """Read every file before anything is compared. Errors: Invalid."""
    known = {f"{kind.name}{SUFFIX}": kind for kind in KINDS}
    for name in files:
        if name not in known:
            raise Invalid("config.unknown_file", texts.unknown("file", name, known))
    return {kind.name: _keyed(kind, texts.read(name, files.get(name, ""), kind.fields)) for name, kind in known.items()}


def _keyed(kind: Kind, items: list[Item]) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for item in items:
        key = kind.key_of(item.spec)
        if key in found:
            raise Invalid("config.object_twice", f"{item.place}: {key} stands in line {found[key].place.line} already")
        found[key] = item
    return found


def _apply_kind(work: _Work, kind: Kind, items: Mapping[str, Item]) -> None:
    current = {kind.key_of(spec): spec for spec in kind.current(work.reach)}
    for key, item in items.items():
        is_waiting = _refused_at(item, partial(kind.waits, work.reach, item.spec))
        if is_waiting:
            work.lines.append(Line("waiting", kind.name, key, str(item.place), None, item.spec))
        elif current.get(key) != item.spec:
            _apply_item(work, kind, key, current.get(key), item)
        if not work.wish.dry_run:
            _remember(work, kind, key, item.spec, is_waiting=is_waiting)
    for key in sorted(set(current) - set(items)):
        _left_over(work, kind, key, current[key])
    for key in sorted(_waiting(work, kind) - set(current) - set(items)):
        _left_over(work, kind, key, None)


def _apply_item(work: _Work, kind: Kind, key: str, have: Spec | None, item: Item) -> None:
    _check_drift(work, kind, key, have, item)
    work.lines.append(Line("create" if have is None else "update", kind.name, key, str(item.place), have, item.spec))
    if not work.wish.dry_run:
        _refused_at(item, lambda: kind.change(work.reach, have, item.spec))


def _waiting(work: _Work, kind: Kind) -> set[str]:
    return {key for (name, key), row in work.managed.items() if name == kind.name and row.waiting is not None}


def _check_drift(work: _Work, kind: Kind, key: str, have: Spec | None, item: Item) -> None:
    row = work.managed.get((kind.name, key))
    now = "" if have is None else _digest(have)
    if row is None or row.waiting is not None or work.wish.overwrite_drift or row.sha256 == now:
        return
    sentence = f"{item.place}: {kind.name} {key} was changed outside the files: it says {_words(have)}, the file says {_words(item.spec)}"
    raise Conflict("config.drift", sentence, now=have, file=item.spec)


def _refused_at(item: Item, work: Callable[[], T]) -> T:
    """Do something with an item; a refusal names its file and line."""
    try:
        return work()
    except MainstayError as problem:
        raise type(problem)(problem.code, f"{item.place}: {problem.message}", **problem.fields) from problem


def _left_over(work: _Work, kind: Kind, key: str, have: Spec | None) -> None:
    """What the files do not name stays, unless this set made it and is asked to clear up. `have` None: it only waits."""
    row = work.managed.get((kind.name, key))
    is_ours = row is not None and row.file_set == work.wish.file_set
    if not (work.wish.prune and is_ours):
        work.lines.append(Line("unmanaged", kind.name, key, old=have))
        return
    work.lines.append(Line("remove", kind.name, key, old=have))
    if not work.wish.dry_run and row is not None:
        if have is not None:
            kind.remove(work.reach, have)
        row.delete()


def _remember(work: _Work, kind: Kind, key: str, spec: Spec, *, is_waiting: bool) -> None:
    row, digest, waiting = work.managed.get((kind.name, key)), _digest(spec), spec if is_waiting else None
    if row is not None and (row.sha256, row.file_set, row.waiting) == (digest, work.wish.file_set, waiting):
        return
    Managed.objects.update_or_create(
        tenant=work.reach.actor.tenant,
        kind=kind.name,
        key=key,
        defaults={"file_set": work.wish.file_set, "sha256": digest, "waiting": waiting, "at": work.reach.clock.now()},
    )


def _record(actor: Actor, files: Files, wish: Wish, changed: list[Line], clock: Clock) -> None:
    counts: dict[str, Json] = {word: sum(line.change == word for line in changed) for word in ("create", "update", "remove")}
    digest = hashlib.sha256(canonical.encode(dict(files))).hexdigest()
    ledger.record(actor, "console.config.applied", digest, clock=clock, body={"set": wish.file_set, **counts})


def _digest(spec: Spec) -> str:
    return hashlib.sha256(repr(sorted(spec.items())).encode()).hexdigest()


def _words(spec: Spec | None) -> str:
    return "nothing" if spec is None else ", ".join(f"{name} {value}" for name, value in spec.items() if value not in ("", [], {}, None))
