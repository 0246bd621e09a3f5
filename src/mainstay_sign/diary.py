"""The diary: what this signer has signed, append-only, chained and signed by the same keys.

Owns: its lines, the check that nothing was taken out or added, the last version signed for each tenant and kind.
Does not own: the documents' own rules.
Invariant: an epoch or version at or below the diary's is never signed again, unless it is the very same document.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mainstay_sign import files
from mainstay_sign.ed25519 import verify
from mainstay_trust import canonical
from mainstay_trust.dsse import DIARY, Signer, parse, seal, signed_by
from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Key, key_id
from mainstay_trust.members import Members

FIRST_PREV = "0" * 64
# A diary line carries a document in base64 inside a payload in base64.
_LINE_BYTES_MAX = 1024 * 1024
_NAMES = ("v", "seq", "prev", "at", "tenant", "kind", "version", "sha256", "key", "payload", "note")


@dataclass(frozen=True)
class Page:
    """One thing signed: a document's kind, tenant and version, and its payload, so that the next one can be compared with it."""

    seq: int
    prev: str
    at: int
    tenant: str
    kind: str
    version: int
    sha256: str
    key: str
    payload: bytes
    note: str

    def encode(self) -> bytes:
        members = {name: getattr(self, name) for name in _NAMES if name not in ("v", "payload")}
        return canonical.encode(members | {"v": 1, "payload": base64.b64encode(self.payload).decode("ascii")})


class Diary:
    """A signer's diary; reading it checks all of it."""

    def __init__(self, path: Path, keys: Iterable[Key]) -> None:
        self._path = path
        self.pages, self._head = _read(path, list(keys))

    def last(self, tenant: str, kind: str) -> Page | None:
        """Return the newest page about a tenant and kind of document."""
        return next((page for page in reversed(self.pages) if (page.tenant, page.kind) == (tenant, kind)), None)

    def demand_newer(self, tenant: str, kind: str, version: int, payload: bytes) -> None:
        """Refuse a version not above the last one signed. Errors: Rejected("version_old")."""
        last = self.last(tenant, kind)
        if last is not None and last.payload != payload and version <= last.version:
            raise Rejected("version_old", f"{kind} {last.version} of this tenant was already signed here; {version} is not above it")

    def write(self, signer: Signer, *, at: int, tenant: str, kind: str, version: int, payload: bytes, note: str = "") -> Page:
        """Append a page before a signature leaves this tool."""
        page = Page(
            seq=len(self.pages),
            prev=self._head,
            at=at,
            tenant=tenant,
            kind=kind,
            version=version,
            sha256=hashlib.sha256(payload).hexdigest(),
            key=key_id(signer.public),
            payload=payload,
            note=note,
        )
        files.append(self._path, seal(DIARY, page.encode(), [signer]).encode())
        self.pages, self._head = [*self.pages, page], hashlib.sha256(page.encode()).hexdigest()
        return page


def _read(path: Path, keys: Sequence[Key]) -> tuple[list[Page], str]:
    pages: list[Page] = []
    head = FIRST_PREV
    if not path.exists():
        return pages, head
    for number, line in enumerate(files.read(path).split(b"\n")[:-1]):
        page, head = _page(line, number, head, keys)
        pages.append(page)
    return pages, head


def _page(line: bytes, number: int, head: str, keys: Sequence[Key]) -> tuple[Page, str]:
    envelope = parse(line, bytes_max=_LINE_BYTES_MAX)
    if envelope.payload_type != DIARY or not signed_by(envelope, keys, verify):
        raise Rejected("bad_diary", f"line {number + 1} is not signed by a key of the keys file")
    members = Members(canonical.parse(envelope.payload), code="bad_diary", names=_NAMES)
    page = Page(
        seq=members.count("seq"),
        prev=members.digest("prev"),
        at=members.count("at"),
        tenant=members.text("tenant"),
        kind=members.text("kind"),
        version=members.count("version"),
        sha256=members.digest("sha256"),
        key=members.digest("key"),
        payload=base64.b64decode(members.text("payload", most=_LINE_BYTES_MAX)),
        note=members.text("note"),
    )
    if (page.seq, page.prev) != (number, head):
        raise Rejected("bad_diary", f"line {number + 1} does not continue the one before it")
    return page, hashlib.sha256(envelope.payload).hexdigest()
