"""Evidence packs: everything that an auditor needs to check a log offline, as one ZIP that is byte-equal for equal content.

Owns: the content of a pack and the bytes of its container. Does not own: reading it (`mainstay_verify`), fetching leaves and bodies.
Invariant: entries are stored, names sorted, times 1980-01-01; what a pack says can be checked without asking who made it.

Entries (numbers in names have 12 digits; JSON is canonical):
  pack.json           {"begin","end","kind":"log"|"items","origin","size","v":1}: leaves [begin, end) of the log at checkpoint `size`
  policy.txt          C2SP tlog-policy: the keys that the maker declares; an auditor brings his own
  checkpoint.txt      the signed, perhaps cosigned, checkpoint to which everything leads
  before.txt          optional: the last witnessed checkpoint before the window; its size is `begin`
  checkpoints/<size>  optional: other signed checkpoints within [begin, end], which narrow down where a log was changed
  edges.json          {"left": hashes of the perfect subtrees before `begin`, "to_checkpoint": consistency proof from `end`}
  leaves/<first>      up to 4,096 leaves, each with its length as uint16 big-endian; files begin at multiples of 4,096 or at `begin`
  hashes/<first>      the 32-byte leaf hashes of the same leaves, so that a changed leaf is named and not only noticed
  bodies/<first>.jsonl  disclosures about the same leaves, by seq: {"body","salt","seq"}, {"part","salt","seq","value"} for a part
                      named in a body as {"$c": part}, and {"seq","state":"erased"|"expired"} for a body that no longer exists
  proofs/<seq>.tlog-proof  kind "items" only: one proof file per entry, in place of leaves, hashes and edges
  devices/<id>.jsonl  optional result chains: a line {"device","enrolled","evidence","tenant"}, then one envelope per line.
                      `enrolled` is the seq of leaf estate.device.enrolled, whose body names the evidence key id as
                      "evidence_key_id"; each result has a leaf automation.result.recorded with "payload_sha256" in its body
"""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from mainstay_trust import canonical
from mainstay_trust.canonical import JSON
from mainstay_trust.dsse import Envelope
from mainstay_trust.errors import Rejected
from mainstay_trust.merkle import leaf_hash
from mainstay_trust.notes import Vkey, parse_checkpoint, parse_note
from mainstay_trust.tiles import bundle
from mainstay_trust.tlog_proof import TlogProof

CHUNK = 4096
ZIP_BYTES_MAX = 2**32 - 1
ZIP_ENTRIES_MAX = 65535

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _MODE, _DATE_1980 = 20, 0o644 << 16, 0x21


@dataclass(frozen=True)
class Body:
    """A disclosed body with the salt of its commitment."""

    seq: int
    salt: bytes
    body: JSON

    def line(self) -> bytes:
        return canonical.encode({"body": self.body, "salt": self.salt.hex(), "seq": self.seq})


@dataclass(frozen=True)
class Part:
    """A disclosed part: the body names its commitment as {"$c": part}."""

    seq: int
    part: str
    salt: bytes
    value: JSON

    def line(self) -> bytes:
        return canonical.encode({"part": self.part, "salt": self.salt.hex(), "seq": self.seq, "value": self.value})


@dataclass(frozen=True)
class Gone:
    """A body that no longer exists; the log must hold the leaf that allowed it. `state` is erased or expired."""

    seq: int
    state: str

    def line(self) -> bytes:
        return canonical.encode({"seq": self.seq, "state": self.state})


Disclosure: TypeAlias = Body | Part | Gone
Entries: TypeAlias = dict[str, bytes]


@dataclass(frozen=True)
class DeviceChain:
    """The results of one device, with the key that signed them and the seq of the leaf that names this key."""

    device: str
    tenant: str
    evidence: bytes
    enrolled: int | None
    envelopes: Sequence[Envelope] = field(default_factory=tuple)

    def encode(self) -> bytes:
        head: JSON = {"device": self.device, "enrolled": self.enrolled, "evidence": self.evidence.hex(), "tenant": self.tenant}
        return b"".join(line + b"\n" for line in (canonical.encode(head), *(envelope.encode() for envelope in self.envelopes)))


def log_pack(
    *,
    leaves: Iterable[bytes],
    checkpoint: bytes,
    policy: str,
    begin: int = 0,
    left: Sequence[bytes] = (),
    to_checkpoint: Sequence[bytes] = (),
    bodies: Iterable[Disclosure] = (),
    devices: Iterable[DeviceChain] = (),
    checkpoints: Iterable[bytes] = (),
    before: bytes | None = None,
) -> Entries:
    """Return the entries of a pack that proves completeness: every leaf from `begin` on, in order.

    `left`: `merkle.frontier_hashes(begin)`; `to_checkpoint`: consistency proof from the end of the leaves to the checkpoint's
    size, empty when the leaves reach it. `bodies` ascend by seq. Errors: Rejected("bad_pack").
    """
    stated = parse_checkpoint(parse_note(checkpoint).text)
    entries: Entries = {}
    end = begin
    for first, chunk in _chunks(leaves, begin):
        entries[f"leaves/{first:012d}"] = bundle(chunk)
        entries[f"hashes/{first:012d}"] = b"".join(map(leaf_hash, chunk))
        end = first + len(chunk)
    entries |= _disclosed(bodies, begin, end)
    entries |= {f"checkpoints/{parse_checkpoint(parse_note(note).text).size:012d}": note for note in checkpoints}
    entries |= {f"devices/{chain.device}.jsonl": chain.encode() for chain in devices}
    edges: JSON = {"left": [node.hex() for node in left], "to_checkpoint": [node.hex() for node in to_checkpoint]}
    entries |= {"edges.json": canonical.encode(edges), "checkpoint.txt": checkpoint, "policy.txt": policy.encode()}
    if before is not None:
        entries["before.txt"] = before
    entries["pack.json"] = _head("log", stated.origin, begin, end, stated.size)
    return entries


def item_pack(*, proofs: Iterable[TlogProof], checkpoint: bytes, policy: str, bodies: Iterable[Disclosure] = ()) -> Entries:
    """Return the entries of a pack that proves single entries of a log and says nothing about the others."""
    stated = parse_checkpoint(parse_note(checkpoint).text)
    entries: Entries = {f"proofs/{proof.index:012d}.tlog-proof": proof.encode().encode() for proof in proofs}
    entries |= _disclosed(bodies, 0, stated.size)
    entries |= {"checkpoint.txt": checkpoint, "policy.txt": policy.encode()}
    entries["pack.json"] = _head("items", stated.origin, 0, stated.size, stated.size)
    return entries


def policy_text(logs: Iterable[Vkey], witnesses: Iterable[tuple[str, Vkey]] = (), quorum: int = 0) -> str:
    """Return a C2SP tlog-policy: logs, witnesses by name, and how many of them must have cosigned (0 = none)."""
    named = list(witnesses)
    lines = [f"log {vkey}" for vkey in logs] + [f"witness {name} {vkey}" for name, vkey in named]
    if quorum:
        lines.append(f"group quorum {quorum} {' '.join(name for name, _ in named)}")
    return "".join(f"{line}\n" for line in [*lines, f"quorum {'quorum' if quorum else 'none'}"])


def write_zip(out: BinaryIO, entries: Entries) -> None:
    """Write entries as the one ZIP that their content allows. Errors: Rejected("bad_pack") above 4 GiB or 65,535 entries."""
    total = sum(map(len, entries.values())) + sum(2 * len(name) + 76 for name in entries) + _END.size
    if len(entries) > ZIP_ENTRIES_MAX or total > ZIP_BYTES_MAX:
        raise Rejected("bad_pack", "too large for one pack: export a shorter range")
    offset, central = 0, []
    for name in sorted(entries):
        data, encoded = entries[name], name.encode("ascii")
        fields = (_VERSION, 0, 0, 0, _DATE_1980, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        out.write(_LOCAL.pack(b"PK\3\4", *fields) + encoded)
        out.write(data)
        central.append(_CENTRAL.pack(b"PK\1\2", 3 << 8 | _VERSION, *fields, 0, 0, 0, _MODE, offset) + encoded)
        offset += _LOCAL.size + len(encoded) + len(data)
    directory = b"".join(central)
    out.write(directory + _END.pack(b"PK\5\6", 0, 0, len(central), len(central), len(directory), offset, 0))


def zip_bytes(entries: Entries) -> bytes:
    out = io.BytesIO()
    write_zip(out, entries)
    return out.getvalue()


def _head(kind: str, origin: str, begin: int, end: int, size: int) -> bytes:
    return canonical.encode({"v": 1, "kind": kind, "origin": origin, "begin": begin, "end": end, "size": size})


def _chunks(leaves: Iterable[bytes], begin: int) -> Iterator[tuple[int, list[bytes]]]:
    first, chunk = begin, []
    for leaf in leaves:
        chunk.append(leaf)
        if (first + len(chunk)) % CHUNK == 0:
            yield first, chunk
            first, chunk = first + len(chunk), []
    if chunk:
        yield first, chunk


def _disclosed(bodies: Iterable[Disclosure], begin: int, end: int) -> Entries:
    lines: dict[int, list[bytes]] = {}
    last = begin
    for disclosure in bodies:
        if not last <= disclosure.seq < end:
            raise Rejected("bad_pack", f"body {disclosure.seq} is out of order or outside the pack")
        last = disclosure.seq
        lines.setdefault(max(begin, last - last % CHUNK), []).append(disclosure.line() + b"\n")
    return {f"bodies/{first:012d}.jsonl": b"".join(chunk) for first, chunk in lines.items()}
