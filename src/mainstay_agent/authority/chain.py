"""The result chain: what this device signed about what it did (rules V1, V2, V4).

Owns: numbering, linking, signing and keeping results until the server has stored them; the evidence reserve.
Does not own: the form of a result (`mainstay_trust.results`).
Invariant: a link is durable before anybody sees it, and no link is ever changed or skipped.
"""

import base64
import os
from dataclasses import dataclass

from mainstay_agent.authority.store import Store
from mainstay_agent.host.ed25519 import KeyPair, verify
from mainstay_trust import canonical, dsse, results
from mainstay_trust.canonical import JSON
from mainstay_trust.keys import Key
from mainstay_trust.results import ChainVerdict, Head, Result

RESERVE_BYTES = 20 * 1024 * 1024
PAGE_BYTES_MAX = 512 * 1024
KEEP_LINKS = 20_000


@dataclass(frozen=True, slots=True)
class Output:
    """What an action printed, as it travels: committed to by salt, erasable by itself."""

    data: bytes
    truncated: bool = False


class Chain:
    def __init__(self, store: Store, evidence: KeyPair) -> None:
        self._store = store
        self._evidence = evidence

    def head(self) -> Head:
        stored = self._store.get("head")
        return Head(stored["seq"], stored["hash"]) if isinstance(stored, dict) else Head()

    def append(self, draft: Result, output: Output | None = None) -> int:
        """Number, link, sign and store a result; return its number. `seq`, `prev` and the output's members are filled in here."""
        salt = os.urandom(32) if output is not None else None
        with self._store.transaction() as database:
            head = self.head()
            result = _completed(draft, head, output, salt)
            payload = result.encode()
            envelope = dsse.seal(dsse.RESULT, payload, [self._evidence.signer()])
            data = output.data if output is not None else None
            row = (head.seq, result.cmd, result.decision, envelope.encode(), salt, data)
            database.execute("INSERT INTO link (seq, cmd, decision, envelope, salt, output) VALUES (?, ?, ?, ?, ?, ?)", row)
            after = head.after(payload)
            self._store.put("head", {"seq": after.seq, "hash": after.hash})
        return head.seq

    def page(self, after: int, limit: int, *, waiting_only: bool) -> list[dict[str, JSON]]:
        """Return links from number `after` on, as the server takes them; at most `limit`, and at most half a megabyte but always one."""
        condition = "AND is_acked = 0" if waiting_only else ""
        with self._store.reading() as database:
            rows = database.execute(
                f"SELECT seq, envelope, salt, output FROM link WHERE seq >= ? {condition} ORDER BY seq LIMIT ?",  # noqa: S608 fixed text
                (after, limit),
            ).fetchall()
        page: list[dict[str, JSON]] = []
        size = 0
        for seq, envelope, salt, output in rows:
            size += len(envelope) + len(output or b"") * 4 // 3
            if page and size > PAGE_BYTES_MAX:
                break
            page.append({"seq": seq, "envelope": canonical.parse(envelope), "out": _travelling(salt, output)})
        return page

    def acknowledge(self, through: int) -> None:
        """The server has stored all links up to a number: their output is no longer needed here, the links stay for `log --verify`."""
        with self._store.transaction() as database:
            database.execute("UPDATE link SET is_acked = 1, output = NULL, salt = NULL WHERE seq <= ? AND is_acked = 0", (through,))
            database.execute("DELETE FROM link WHERE is_acked = 1 AND seq < ?", (through - KEEP_LINKS,))

    def send_again(self, cmd: str) -> None:
        """Offer the links of a command once more."""
        with self._store.transaction() as database:
            database.execute("UPDATE link SET is_acked = 0 WHERE cmd = ?", (cmd,))

    def is_full(self) -> bool:
        with self._store.reading() as database:
            row = database.execute("SELECT total(length(envelope) + coalesce(length(output), 0)) FROM link WHERE is_acked = 0").fetchone()
        return float(row[0]) >= RESERVE_BYTES

    def verify(self) -> ChainVerdict:
        """Check every link that is still here, from the oldest one on."""
        with self._store.reading() as database:
            rows = database.execute("SELECT seq, envelope FROM link ORDER BY seq").fetchall()
        envelopes = [dsse.parse(envelope) for _, envelope in rows]
        start = None
        if rows and rows[0][0] > 0:
            start = Head(rows[0][0], results.parse_result(envelopes[0].payload).prev)
        return results.verify_chain(envelopes, Key(self._evidence.public, "device"), verify, start=start)


def _completed(draft: Result, head: Head, output: Output | None, salt: bytes | None) -> Result:
    members = {name: getattr(draft, name) for name in Result.__dataclass_fields__}
    members |= {"seq": head.seq, "prev": head.hash}
    if output is not None and salt is not None:
        commitment = results.out_commit(salt, output.data)
        members |= {"out_commit": commitment, "out_len": len(output.data), "truncated": output.truncated}
    return Result(**members)


def _travelling(salt: bytes | None, output: bytes | None) -> JSON:
    if salt is None or output is None:
        return None
    return {"salt": salt.hex(), "output_b64": base64.b64encode(output).decode("ascii")}
