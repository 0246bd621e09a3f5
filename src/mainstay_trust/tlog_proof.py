"""Proof files (C2SP tlog-proof@v1): one leaf, its audit path and the checkpoint it leads to.

Owns: the text form, and the judgement that a proof file proves its own leaf.
Does not own: who may sign the checkpoint; callers open it with the keys they trust.
Invariant: a proof that verifies names exactly one leaf at one index of one log.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Verify
from mainstay_trust.merkle import leaf_hash, verify_inclusion
from mainstay_trust.notes import Checkpoint, Vkey, open_checkpoint

HEADER = "c2sp.org/tlog-proof@v1"
HASHES_MAX = 63
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class TlogProof:
    """A proof file; `extra` is the leaf itself, `note` the signed checkpoint as it was received."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes
    extra: bytes

    def encode(self) -> str:
        hashes = "".join(f"{_encode(hashed)}\n" for hashed in self.hashes)
        return f"{HEADER}\nextra {_encode(self.extra)}\nindex {self.index}\n{hashes}\n{self.note.decode()}"


def parse_proof(text: str) -> TlogProof:
    """Read a proof file. Errors: Rejected("bad_proof")."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 3 or lines[0] != HEADER or not lines[1].startswith("extra "):
        raise Rejected("bad_proof", "not a tlog-proof with its leaf")
    index = _INDEX.fullmatch(lines[2])
    if index is None or len(lines) > 3 + HASHES_MAX:
        raise Rejected("bad_proof", "no index, or too many hashes")
    hashes = tuple(_hash(line) for line in lines[3:])
    return TlogProof(int(index.group(1)), hashes, note.encode(), _decode(lines[1].removeprefix("extra ")))


def prove(proof: TlogProof, logs: Sequence[Vkey], verify: Verify) -> Checkpoint:
    """Return the checkpoint under which the proof's leaf stands, signed by one of the log keys given.

    Errors: Rejected: those of `notes.open_checkpoint`, or not_included when the path does not lead to the root.
    """
    checkpoint, _ = open_checkpoint(proof.note, logs, verify)
    if not verify_inclusion(leaf_hash(proof.extra), proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise Rejected("not_included", f"the path of leaf {proof.index} does not lead to the root")
    return checkpoint


def _hash(line: str) -> bytes:
    data = _decode(line)
    if len(data) != 32:
        raise Rejected("bad_proof", "a hash has 32 bytes")
    return data


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Rejected("bad_proof", "not base64") from error
    if _encode(data) != text:
        raise Rejected("bad_proof", "not canonical base64")
    return data
