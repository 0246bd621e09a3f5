"""The one place where a signature is made: show, compare, ask, write the diary, sign.

Owns: that order, and the confirmation. Does not own: what is signed (`verbs`), keys at rest (`keyfile`).
Invariant: no signature without a rendering of the payload's own bytes, a confirmation and a diary line, in this order.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from mainstay_sign import passphrase, render
from mainstay_sign.diary import Diary
from mainstay_sign.documents import Document, weakened
from mainstay_sign.keyfile import KeyFile, Sealed
from mainstay_trust import canonical
from mainstay_trust.actions import CATALOGUE
from mainstay_trust.damage import damage_bound
from mainstay_trust.dsse import Envelope, Signer, add_signature
from mainstay_trust.errors import Rejected
from mainstay_trust.policies import parse_policy


@dataclass
class Signatory:
    """A signer at work: the keys file, the diary beside it, the terminal, the clock."""

    keys_path: Path
    now: Callable[[], int]
    environ: Mapping[str, str]
    passphrase_fd: int | None = None
    confirm: str | None = None
    is_unattended: bool = False
    accepts_unusual: bool = False
    may_weaken: bool = False
    devices: int = 1
    out: TextIO = field(default_factory=lambda: sys.stderr)
    _passphrase: str | None = None

    @property
    def keys(self) -> KeyFile:
        return KeyFile.load(self.keys_path)

    @property
    def diary_path(self) -> Path:
        return self.keys_path.with_name(self.keys_path.name + ".diary")

    def diary(self) -> Diary:
        return Diary(self.diary_path, [sealed.key for sealed in self.keys.keys.values()])

    def passphrase(self, *, is_new: bool = False) -> str:
        # Asked for once per run: a descriptor can be read only once.
        if self._passphrase is None:
            self._passphrase = passphrase.obtain(self.passphrase_fd, self.environ, is_new=is_new)
        return self._passphrase

    def new_key(self, holder: str) -> Sealed:
        """Make a key and save it, in a new file or beside the keys that the file already has."""
        keys = self.keys if self.keys_path.exists() else KeyFile.new()
        keys, made = keys.with_new_key(holder, self.passphrase(is_new=not keys.keys))
        keys.save(self.keys_path)
        return keys.keys[made.key_id]

    def sign(self, envelope: Envelope, document: Document, keyid: str | None, *, note: str = "") -> Envelope:
        """Show a document, ask, and return its envelope with one more signature."""
        sealed, diary = self.keys.find(keyid), self.diary()
        if document.version:
            diary.demand_newer(document.tenant, document.kind, document.version, document.payload)
        self._show(document, diary)
        self._ask(document)
        signer = self._open(sealed)
        diary.write(
            signer,
            at=self.now(),
            tenant=document.tenant,
            kind=document.kind,
            version=document.version,
            payload=document.payload,
            note=note,
        )
        return add_signature(envelope, signer)

    def _open(self, sealed: Sealed) -> Signer:
        return self.keys.signer(sealed.key.key_id, self.passphrase())

    def _show(self, document: Document, diary: Diary) -> None:
        self._say(f"{document.kind} {document.version or ''} of tenant {document.tenant}".replace("  ", " "))
        for line in render.lines(document.value):
            self._say(f"  {line}")
        last = diary.last(document.tenant, document.kind)
        if last is not None:
            self._say(f"changed since {document.kind} {last.version}, which you signed last:")
            for difference in render.differences(canonical.parse(last.payload), document.value):
                self._say(f"  {difference}")
            self._refuse_weaker(weakened(last.payload, document))
        self._show_damage(document, last.payload if last else None)
        if render.holds_unusual(document.value) and not self.accepts_unusual:
            raise Rejected("unusual_characters", "control, bidirectional or invisible characters; see them above, then --accept-unusual")
        self._say(f"SHA-256 {hashlib.sha256(document.payload).hexdigest()}")

    def _show_damage(self, document: Document, last: bytes | None) -> None:
        if document.kind != "policy":
            return
        if last is not None:
            self._say(f"before: {damage_bound(parse_policy(last), CATALOGUE, self.devices).sentence}")
        self._say(
            f"{'after' if last else 'with this policy'}: {damage_bound(parse_policy(document.payload), CATALOGUE, self.devices).sentence}"
        )

    def _refuse_weaker(self, weaker: list[str]) -> None:
        if weaker and not self.may_weaken:
            raise Rejected("weaker", f"{'; '.join(weaker)}: give --weaken if this is meant")

    def _ask(self, document: Document) -> None:
        wanted = f"{document.targets} {hashlib.sha256(document.payload).hexdigest()[-4:]}"
        if self.is_unattended:
            return
        given = self.confirm
        if given is None:
            if not sys.stdin.isatty():
                raise Rejected("not_confirmed", "no terminal: give --confirm 'TARGETS LAST4' after mainstay-sign inspect")
            self._say(f"Type the number of targets and the last four digits of the hash ({document.targets} ....) to sign:")
            given = sys.stdin.readline()
        if " ".join(given.split()) != wanted:
            raise Rejected("not_confirmed", "what was typed is not the number of targets and the last four digits")

    def _say(self, text: str) -> None:
        print(render.escaped(text), file=self.out)
