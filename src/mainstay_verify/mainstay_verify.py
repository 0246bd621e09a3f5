#!/usr/bin/env python3
"""Check evidence of a Mainstay log without Mainstay: no network, no writes, nothing but Python 3.11 (one file, on purpose).

Owns: reading packs, proofs, tile folders and device chains, and saying what they prove.
Does not own: trust. Which log and witness keys count is the auditor's to say, with --policy.
Invariant: exit 0 only if every byte that was looked at is accounted for by a signature of a key that the auditor named.

  mainstay_verify.py pack FILE      an evidence pack (ZIP)         exit 0  verified
  mainstay_verify.py proof FILE     one .tlog-proof                exit 1  tampering: first bad entry and reason
  mainstay_verify.py log DIR        a log as tiles (C2SP)          exit 2  malformed or incomplete
  mainstay_verify.py device FILE    a device's result chain        exit 3  verified, but below the policy (no quorum, self-declared keys)
  mainstay_verify.py audit REPORT --pack PACK [--pdf PDF]          a System Audit: the report, each finding, the PDF

Formats: RFC 6962 trees, C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-proof, tlog-tiles, DSSE v1;
the pack itself is described in `mainstay_trust/pack.py`. The leaf format is the pattern `LEAF` below.
"""

import argparse
import base64
import binascii
import hashlib
import itertools
import json
import mmap
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any  # members of a report, looked at one by one

VERIFIED, TAMPERED, MALFORMED, BELOW_POLICY = 0, 1, 2, 3
CHUNK = 4096
CLOCK_STEP_BACK_S_MAX = 300
FINDINGS_SHOWN_MAX = 50

sha256 = hashlib.sha256


class Malformed(Exception):
    """Input that cannot be read far enough to be judged; `entry` names the part."""

    def __init__(self, entry: str, reason: str) -> None:
        super().__init__(f"{entry}: {reason}")
        self.entry, self.reason = entry, reason


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: where, why, how bad (TAMPERED, MALFORMED or BELOW_POLICY), and the leaf or link it concerns.

    `is_range`: the change lies somewhere from `index` on; other findings name the entry itself.
    """

    entry: str
    reason: str
    severity: int = TAMPERED
    index: int | None = None
    is_range: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """A single leaf says more than a file or a chain, these more than a range."""
        return (2 if self.is_range else int(not self.entry.startswith("leaf "))), self.index or 0

    def as_json(self) -> dict[str, object]:
        names = {TAMPERED: "tampering", MALFORMED: "malformed", BELOW_POLICY: "below policy"}
        return {"entry": self.entry, "index": self.index, "reason": self.reason, "kind": names[self.severity]}


@dataclass
class Report:
    """What was found so far; the worst finding decides the exit code."""

    facts: dict[str, object] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, entry: str, reason: str, severity: int = TAMPERED, index: int | None = None) -> None:
        self.findings.append(Finding(entry, reason, severity, index))

    def span(self, entry: str, reason: str, begin: int, end: int) -> None:
        self.findings.append(Finding(entry, f"{reason}: something in {begin}..{max(begin, end - 1)} was changed", TAMPERED, begin, True))

    def leaf(self, index: int, reason: str) -> None:
        self.add(f"leaf {index}", reason, TAMPERED, index)

    @property
    def exit_code(self) -> int:
        return min((finding.severity for finding in self.findings), default=VERIFIED)

    @property
    def first_bad(self) -> Finding | None:
        """The finding to name first: of the worst kind the most exact, of these the lowest index."""
        worst = [finding for finding in self.findings if finding.severity == self.exit_code]
        return min(worst, key=lambda finding: finding.rank, default=None)


# --- Ed25519 (RFC 8032), strict -------------------------------------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})
_Point = tuple[int, int, int, int]


def _decompress(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= _P or y in _SMALL_ORDER_Y:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_1 % _P
    if x * x % _P != square:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _add(p: _Point, q: _Point) -> _Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point, scalar = _add(point, point), scalar >> 1
    return result


def _compress(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _decompress((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def verify_in_python(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify Ed25519 without any library: S < L, canonical and large-order R and A, no cofactor. About 5 ms."""
    if len(public) != 32 or len(signature) != 64 or _BASE is None:
        return False
    point, s = _decompress(public), int.from_bytes(signature[32:], "little")
    if point is None or s >= _L or _decompress(signature[:32]) is None:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    minus_a: _Point = (_P - point[0], point[1], 1, _P - point[3])
    return _compress(_add(_multiply(s, _BASE), _multiply(k, minus_a))) == signature[:32]


def _library_verify() -> Callable[[bytes, bytes, bytes], bool] | None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None

    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return verify


_LIBRARY = _library_verify()


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify Ed25519 with `cryptography` where it is installed, after the same strict checks."""
    if _LIBRARY is None:
        return verify_in_python(public, message, signature)
    is_strict = len(public) == 32 and len(signature) == 64 and int.from_bytes(signature[32:], "little") < _L
    if not is_strict or _is_weak(public) or _is_weak(signature[:32]):
        return False
    return _LIBRARY(public, message, signature)


def _is_weak(encoded: bytes) -> bool:
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    return y >= _P or y in _SMALL_ORDER_Y


# --- Merkle trees (RFC 6962, RFC 9162) ------------------------------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The perfect subtrees left of a growing edge, largest first."""

    def __init__(self, size: int, hashes: Sequence[bytes]) -> None:
        self.size, self.hashes = size, list(hashes)

    def push(self, level: int, node: bytes) -> None:
        """Add the perfect subtree of 2^level leaves that begins at `size`, a multiple of 2^level."""
        carry = self.size >> level
        while carry & 1:
            node, carry = node_hash(self.hashes.pop(), node), carry >> 1
        self.hashes.append(node)
        self.size += 1 << level

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Add leaf hashes; whole aligned blocks are folded level by level, which is what makes large logs quick."""
        at = 0
        while at < len(hashes):
            level = min((self.size & -self.size).bit_length() - 1 if self.size else 63, (len(hashes) - at).bit_length() - 1)
            self.push(level, _fold(hashes[at : at + (1 << level)]))
            at += 1 << level

    def root(self) -> bytes:
        if not self.hashes:
            return sha256(b"").digest()
        result = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            result = node_hash(left, result)
        return result


def _fold(row: Sequence[bytes]) -> bytes:
    hashed = sha256
    while len(row) > 1:
        row = [hashed(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def verify_inclusion(hashed_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, hashed_leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# --- Signed notes and policies (C2SP) -------------------------------------------------------------------------------------------

LOG_KEY, COSIGNER_KEY = 1, 4
_DASH = "\u2014"


@dataclass(frozen=True)
class Vkey:
    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


@dataclass(frozen=True)
class Policy:
    """Whose signatures count: log keys by origin, witnesses by name, groups, and the name of the quorum."""

    logs: tuple[Vkey, ...] = ()
    witnesses: Mapping[str, Vkey] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str = "none"

    def is_satisfied(self, name: str, cosigned: frozenset[str]) -> bool:
        if name in self.groups:
            needed, members = self.groups[name]
            return sum(self.is_satisfied(member, cosigned) for member in members) >= needed
        return name == "none" or name in cosigned


def decode_base64(text: str, entry: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(entry, "not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise Malformed(entry, "not canonical base64")
    return data


def parse_vkey(text: str, entry: str) -> Vkey:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Malformed(entry, "a key is written name+id+base64")
    blob = decode_base64(parts[2], entry)
    if len(blob) != 33 or blob[0] not in (LOG_KEY, COSIGNER_KEY) or _is_weak(blob[1:]):
        raise Malformed(entry, f"{parts[0]} is not an admissible Ed25519 key")
    vkey = Vkey(parts[0], blob[0], blob[1:])
    if vkey.key_id.hex() != parts[1]:
        raise Malformed(entry, f"the key id of {parts[0]} is not its own")
    return vkey


def parse_policy(text: str, entry: str) -> Policy:
    logs: list[Vkey] = []
    witnesses: dict[str, Vkey] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    quorum = "none"
    for line in text.splitlines():
        words = line.split("#", 1)[0].split() if line.lstrip().startswith("#") else line.split()
        match words:
            case []:
                continue
            case ["log", vkey, *_]:
                logs.append(parse_vkey(vkey, entry))
            case ["witness", name, vkey, *_]:
                witnesses[name] = parse_vkey(vkey, entry)
            case ["group", name, needed, *members]:
                # Members stand above their group, as tlog-policy demands: so no group can contain itself.
                _demand_defined(members, {*witnesses, *groups}, entry)
                groups[name] = (_needed(needed, len(members), entry), tuple(members))
            case ["quorum", name]:
                quorum = name
            case _:
                raise Malformed(entry, f"unknown line: {line[:80]!r}")
    _demand_defined([quorum], {*witnesses, *groups, "none"}, entry)
    return Policy(tuple(logs), witnesses, groups, quorum)


def _demand_defined(names: Sequence[str], defined: set[str], entry: str) -> None:
    if unknown := set(names) - defined:
        raise Malformed(entry, f"names without a definition above: {', '.join(sorted(unknown))}")


def _needed(text: str, count: int, entry: str) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else count
    if not text.isdecimal() or not 1 <= int(text) <= count:
        raise Malformed(entry, "a group needs any, all or a number of its members")
    return int(text)


def parse_checkpoint(data: bytes, entry: str) -> Checkpoint:
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(entry, "not UTF-8") from error
    if re.search(r"[\x00-\x09\x0b-\x1f]", whole):
        raise Malformed(entry, "control character in a note")
    end = whole.rfind("\n\n")
    lines = whole[: end + 1].split("\n")
    if end < 0 or not whole.endswith("\n") or len(lines) != 4 or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise Malformed(entry, "not a checkpoint: origin, size, root, blank line, signatures")
    signatures = tuple(_signature(line, entry) for line in whole[end + 2 : -1].split("\n"))
    root = decode_base64(lines[2], entry)
    if len(root) != 32:
        raise Malformed(entry, "the root of a checkpoint has 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root, whole[: end + 1], signatures)


def _signature(line: str, entry: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH:
        raise Malformed(entry, "malformed signature line")
    blob = decode_base64(parts[2], entry)
    if len(blob) < 5:
        raise Malformed(entry, "signature too short")
    return parts[1], blob[:4], blob[4:]


def judge_checkpoint(checkpoint: Checkpoint, policy: Policy, entry: str, report: Report) -> dict[str, int]:
    """Check the signatures of known keys; return the cosignature times by witness name. A known key with a bad one is tampering."""
    is_signed, times = False, {}
    for name, key_id, blob in checkpoint.signatures:
        for vkey in policy.logs:
            if (vkey.name, vkey.key_id) == (name, key_id) and name == checkpoint.origin:
                is_signed = _demand(verify_signature(vkey.public, checkpoint.text.encode(), blob), entry, name, report) or is_signed
        for witness, vkey in policy.witnesses.items():
            if (vkey.name, vkey.key_id) == (name, key_id):
                time = int.from_bytes(blob[:8], "big")
                message = f"cosignature/v1\ntime {time}\n{checkpoint.text}".encode()
                if _demand(len(blob) == 72 and verify_signature(vkey.public, message, blob[8:]), entry, name, report):
                    times[witness] = time
    if not is_signed:
        report.add(entry, f"no valid signature of a known key of {checkpoint.origin}")
    return times


def _demand(is_good: bool, entry: str, name: str, report: Report) -> bool:
    if not is_good:
        report.add(entry, f"the signature of {name} does not hold")
    return is_good


def judge_policy(policy: Policy, is_self_declared: bool, times: Mapping[str, int], report: Report) -> None:
    """State who vouches, and what that leaves open."""
    cosigned = frozenset(times)
    report.facts["keys"] = "declared by the pack" if is_self_declared else "given by the auditor"
    report.facts["cosigned_by"] = {name: times[name] for name in sorted(times)}
    if not times:
        report.facts["witnesses"] = "not witnessed: the holder of the signing key could rewrite it"
    if is_self_declared:
        report.add("policy.txt", "the keys are declared by the pack itself; give your own with --policy", BELOW_POLICY)
    if not policy.is_satisfied(policy.quorum, cosigned):
        report.add("checkpoint.txt", f"quorum {policy.quorum} is not reached by {len(cosigned)} cosignatures", BELOW_POLICY)


# --- Leaves ---------------------------------------------------------------------------------------------------------------------

# All values of a leaf are ASCII without escapes, so one pattern is the canonical form: members sorted, no spaces, nothing unknown.
LEAF = re.compile(
    rb'\{"act":"(?P<act>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)","actor":"[a-z]{1,8}:[A-Za-z0-9_.\-]{1,64}",'
    rb'"at":"(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)","body":"(?P<body>[0-9a-f]{64}|)",'
    rb'"log":"(?P<log>[!-~]{1,200})","obj":"[a-z][a-z0-9_.]*:[A-Za-z0-9_.\-]{1,64}","out":"(?:ok|refused|failed|unknown)"'
    rb'(?:,"prev":"[!-~]{1,200}")?(?:,"range":\[(?P<begin>[0-9]+),(?P<end>[0-9]+)\])?(?:,"ref":(?P<ref>[0-9]+))?'
    rb'(?:,"root":"[0-9a-f]{64}")?,"seq":(?P<seq>0|[1-9][0-9]*)(?:,"size":[0-9]+)?,"v":1,'
    rb'"via":"(?:web|api|cli|agent|job|mail|scim|system|emergency)"\}'
)
_ISSUED, _FOUND, _RENDERED = "assurance.audit.issued", "assurance.finding.issued", "assurance.audit.rendered"
AUDIT_ACTS = frozenset((_ISSUED.encode(), _FOUND.encode(), _RENDERED.encode()))
_HASH = re.compile(r"[0-9a-f]{64}")
_GONE = {b"ledger.entry.erased": "erased", b"ledger.entry.expired": "expired"}


@dataclass
class Bodies:
    """What is known of the bodies of a log: counts by state, leaves that authorise a loss, losses that still need one."""

    counts: dict[str, int] = field(default_factory=dict)
    authorised: list[tuple[int, int, int, str]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    withheld: list[int] = field(default_factory=list)
    found: dict[str, dict[str, int]] = field(default_factory=dict)
    enrolled: dict[int, str] = field(default_factory=dict)
    closed: set[bytes] = field(default_factory=set)

    def count(self, state: str, by: int = 1) -> None:
        if by:
            self.counts[state] = self.counts.get(state, 0) + by

    def authorise(self, seq: int, match: "re.Match[bytes]") -> None:
        state = _GONE[match["act"]]
        if match["ref"] is not None:
            self.authorised.append((int(match["ref"]), int(match["ref"]) + 1, seq, state))
        if match["begin"] is not None:
            self.authorised.append((int(match["begin"]), int(match["end"]), seq, state))

    def authority(self, seq: int) -> tuple[int, str] | None:
        return next(((leaf, state) for begin, end, leaf, state in self.authorised if begin <= seq < end), None)

    def settle(self, report: Report) -> None:
        """Give every body without content its state; a loss without an authorising leaf is tampering."""
        for seq in self.withheld:
            authority = self.authority(seq) if self.authorised else None
            self.count(authority[1] if authority else "withheld")
        for seq in self.gone:
            authority = self.authority(seq)
            self.count(authority[1] if authority else "MISSING")
            if authority is None:
                report.add(f"body {seq}", "MISSING: no authorising leaf", TAMPERED, seq)
        report.facts["bodies"] = dict(sorted(self.counts.items()))


class LeafReader:
    """Judges leaves in order: form, place, log, clock; remembers what bodies need."""

    def __init__(self, origin: str, report: Report) -> None:
        self.origin, self.report = origin.encode(), report
        self.bodies = Bodies()
        self.acts: dict[bytes, int] = {}
        self._last_at = b""

    def read(self, first: int, leaves: Sequence[bytes]) -> list[bytes]:
        """Return the body commitments of a run of leaves (empty where a leaf has none or is malformed)."""
        match_leaf, origin, acts, commitments = LEAF.fullmatch, self.origin, self.acts, []
        last_at = self._last_at
        for seq, leaf in enumerate(leaves, first):
            found = match_leaf(leaf)
            if found is None or len(leaf) > 1024:
                self.report.leaf(seq, "not a well-formed leaf")
                commitments.append(b"")
                continue
            act, at, body, log, stated = found.group("act", "at", "body", "log", "seq")
            if int(stated) != seq:
                self.report.leaf(seq, f"says that it is leaf {stated.decode()}")
            if log != origin:
                self.report.leaf(seq, f"belongs to another log ({log.decode()})")
            if at < last_at:
                self._step_back(seq, last_at, at)
            last_at = at
            acts[act] = acts.get(act, 0) + 1
            if act in _GONE:
                self.bodies.authorise(seq, found)
            commitments.append(body)
        self._last_at = last_at
        return commitments

    def _step_back(self, seq: int, before: bytes, after: bytes) -> None:
        step_s = (_instant(before) - _instant(after)).total_seconds()
        if step_s > CLOCK_STEP_BACK_S_MAX:
            steps = self.report.facts.setdefault("clock_steps_back", [])
            if isinstance(steps, list) and len(steps) < FINDINGS_SHOWN_MAX:
                steps.append({"leaf": seq, "seconds": int(step_s)})


def _instant(at: bytes) -> datetime:
    try:
        return datetime.fromisoformat(at.decode("ascii"))
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def unbundle(data: bytes, entry: str, first: int) -> list[bytes]:
    leaves: list[bytes] = []
    position, size = 0, len(data)
    while position < size:
        start = position + 2
        position = start + (data[start - 2] << 8 | data[start - 1]) if start <= size else size + 1
        if position > size:
            raise Malformed(entry, f"leaf {first + len(leaves)} is cut off")
        leaves.append(data[start:position])
    return leaves


_BODY_TAIL = re.compile(rb',"salt":"([0-9a-f]{64})","seq":(0|[1-9][0-9]*)\}')
_STATE_LINE = re.compile(rb'\{"seq":(0|[1-9][0-9]*),"state":"(?:erased|expired)"\}')
_TAIL_BYTES_MAX = 110


def judge_bodies(lines: bytes, entry: str, first: int, commitments: Sequence[bytes], acts: Sequence[bytes], reader: LeafReader) -> None:
    """Check the disclosures about leaves [first, first + n) against their commitments."""
    seen: set[int] = set()
    parts: dict[int, list[dict[str, object]]] = {}
    kept: dict[int, bytes] = {}
    for number, line in enumerate(lines.split(b"\n")[:-1] if lines.endswith(b"\n") or not lines else [b""], 1):
        seq = _judge_line(line, first, commitments, reader, parts, kept, acts)
        if seq is None:
            reader.report.add(f"{entry} line {number}", "not a disclosure about a leaf of this range")
        else:
            seen.add(seq)
    for seq, listed in parts.items():
        _judge_parts(seq, listed, kept.get(seq, b""), reader.report)
    withheld = [seq for seq, body in enumerate(commitments, first) if body and seq not in seen]
    reader.bodies.withheld += withheld
    reader.bodies.closed.update(acts[seq - first] for seq in withheld)
    reader.bodies.count("none", sum(1 for body in commitments if not body))


def _judge_line(
    line: bytes,
    first: int,
    commitments: Sequence[bytes],
    reader: LeafReader,
    parts: dict[int, list[dict[str, object]]],
    kept: dict[int, bytes],
    acts: Sequence[bytes],
) -> int | None:
    """Judge one disclosure; return the leaf it is about, or None when it is about none."""
    if line.startswith(b'{"body":'):
        tail = _BODY_TAIL.search(line, max(8, len(line) - _TAIL_BYTES_MAX))
        seq = int(tail[2]) if tail and tail.end() == len(line) else -1
        if tail is None or not first <= seq < first + len(commitments):
            return None
        body = line[8 : tail.start()]
        if sha256(b"\x02" + bytes.fromhex(tail[1].decode()) + body).hexdigest().encode() != commitments[seq - first]:
            reader.report.leaf(seq, "its body does not fit the commitment in the leaf")
            return seq
        reader.bodies.count("intact")
        _note_body(seq, acts[seq - first], body, reader.bodies)
        if b'{"$c":' in body:
            kept[seq] = body
        return seq
    if state := _STATE_LINE.fullmatch(line):
        seq = int(state[1])
        if not first <= seq < first + len(commitments):
            return None
        reader.bodies.gone.append(seq)
        return seq
    part = _object(line)
    if part is None or set(part) != {"part", "salt", "seq", "value"} or not isinstance(part["seq"], int):
        return None
    parts.setdefault(part["seq"], []).append(part)
    return part["seq"] if first <= part["seq"] < first + len(commitments) else None


def _note_body(seq: int, act: bytes, body: bytes, bodies: Bodies) -> None:
    """Remember what device chains and audits are compared with."""
    if act in AUDIT_ACTS:
        hashes = (text for text in (_object(body) or {}).values() if isinstance(text, str) and _HASH.fullmatch(text))
        bodies.found.setdefault(act.decode(), {}).update((text, seq) for text in hashes)
    if act not in (b"automation.result.recorded", b"estate.device.enrolled"):
        return
    value = _object(body) or {}
    digest, evidence = value.get("payload_sha256"), value.get("evidence_key_id")
    if isinstance(digest, str) and act == b"automation.result.recorded":
        bodies.found.setdefault("results", {})[digest] = seq
    if isinstance(evidence, str) and act == b"estate.device.enrolled":
        bodies.enrolled[seq] = evidence


def _judge_parts(seq: int, listed: Sequence[Mapping[str, object]], body: bytes, report: Report) -> None:
    for part in listed:
        value = json.dumps(part["value"], ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        salt = bytes.fromhex(str(part["salt"])) if re.fullmatch(r"[0-9a-f]{64}", str(part["salt"])) else b""
        digest = sha256(b"\x03" + salt + value).hexdigest()
        if digest != part["part"] or b'{"$c":"' + digest.encode() + b'"}' not in body:
            report.leaf(seq, "a disclosed part does not fit its commitment in the body")


def _object(data: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# --- Packs ----------------------------------------------------------------------------------------------------------------------

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
PACK_NAME = re.compile(
    r"(pack|edges)\.json|(policy|checkpoint|before)\.txt|(leaves|hashes|checkpoints)/[0-9]{12}|bodies/[0-9]{12}\.jsonl"
    r"|proofs/[0-9]{12}\.tlog-proof|devices/[0-9A-Z]{26}\.jsonl"
)


@dataclass(frozen=True)
class Place:
    """Where an entry of a container stands: `offset` is that of its local header."""

    name: str
    crc: int
    size: int
    offset: int

    @property
    def start(self) -> int:
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        return self.start + self.size

    def local_header(self) -> bytes:
        return _LOCAL.pack(b"PK\3\4", *self._fields()) + self.name.encode("latin-1")

    def directory_record(self) -> bytes:
        return _CENTRAL.pack(b"PK\1\2", 3 << 8 | 20, *self._fields(), 0, 0, 0, 0o644 << 16, self.offset) + self.name.encode("latin-1")

    def _fields(self) -> tuple[int, ...]:
        return 20, 0, 0, 0, 0x21, self.crc, self.size, self.size, len(self.name), 0


class Archive:
    """A pack's container. Only one byte string is right for given entries, so every other byte is a finding."""

    def __init__(self, data: "mmap.mmap | bytes", report: Report) -> None:
        self._data, self._report = data, report
        places = _from_directory(data) or _from_headers(data)
        if not places:
            raise Malformed("the pack", "not a pack, or cut off")
        self._places = {place.name: place for place in places}
        self._checked: set[str] = set()
        self._check_container(places)

    def under(self, prefix: str) -> list[str]:
        return [name for name in self._places if name.startswith(prefix)]

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; bytes that differ from their checksum are reported, and judged all the same."""
        if name not in self._places:
            raise Malformed(name, "missing in the pack")
        place = self._places[name]
        data = bytes(self._data[place.start : place.end])
        if name not in self._checked and zlib.crc32(data) != place.crc:
            self._report.add(name, "its bytes differ from their checksum")
        self._checked.add(name)
        return data

    def read_or_empty(self, name: str) -> bytes:
        return self.read(name) if name in self._places else b""

    def read_rest(self) -> None:
        """Check the bytes that no judgement has looked at."""
        for name in self._places:
            if name not in self._checked:
                self.read(name)
                self._report.add(name, "nothing in the pack refers to this entry", MALFORMED)

    def _check_container(self, places: Sequence[Place]) -> None:
        """Compare headers, order and directory with the only ones that these entries allow."""
        offset, directory = 0, places[-1].end
        for place, following in zip(places, [*places[1:], None], strict=True):
            header, record = place.local_header(), place.directory_record()
            is_good = self._holds(offset, header) and self._holds(directory, record) and place.offset == offset
            if not is_good or (following is not None and following.name <= place.name):
                for name in {place.name, self._name_at(offset) or place.name}:
                    self._report.add(name, "its header is damaged, out of order or does not fit the directory", MALFORMED)
            offset, directory = place.end, directory + len(record)
        size = directory - places[-1].end
        end = _END.pack(b"PK\5\6", 0, 0, len(places), len(places), size, places[-1].end, 0)
        if not self._holds(directory, end) or directory + len(end) != len(self._data):
            self._report.add("end of the pack", "it is damaged, or something follows it", MALFORMED)

    def _name_at(self, offset: int) -> str:
        header = self._data[offset : offset + _LOCAL.size]
        length = _LOCAL.unpack(header)[9] if len(header) == _LOCAL.size else 0
        name = bytes(self._data[offset + _LOCAL.size : offset + _LOCAL.size + length]).decode("latin-1")
        return name if PACK_NAME.fullmatch(name) else ""

    def _holds(self, offset: int, expected: bytes) -> bool:
        return bytes(self._data[offset : offset + len(expected)]) == expected


def _from_directory(data: "mmap.mmap | bytes") -> list[Place] | None:
    """Read the places from the directory at the end; None when it cannot be read as one."""
    if len(data) < _END.size or data[-_END.size : -_END.size + 4] != b"PK\5\6":
        return None
    count, position = _END.unpack(data[-_END.size :])[4], _END.unpack(data[-_END.size :])[6]
    places: list[Place] = []
    for _ in range(count):
        record = data[position : position + _CENTRAL.size]
        if len(record) < _CENTRAL.size or record[:4] != b"PK\1\2":
            return None
        fields = _CENTRAL.unpack(record)
        name_end = position + _CENTRAL.size + fields[10]
        name = bytes(data[position + _CENTRAL.size : name_end]).decode("latin-1")
        places.append(Place(name, fields[7], fields[8], fields[16]))
        position = name_end
    follows = all(place.end == following.offset for place, following in itertools.pairwise(places))
    return places if follows and position == len(data) - _END.size else None


def _from_headers(data: "mmap.mmap | bytes") -> list[Place]:
    """Read the places by walking from header to header, when the directory cannot be trusted."""
    places: list[Place] = []
    offset = 0
    while data[offset : offset + 4] == b"PK\3\4" and offset + _LOCAL.size <= len(data):
        fields = _LOCAL.unpack(data[offset : offset + _LOCAL.size])
        name = bytes(data[offset + _LOCAL.size : offset + _LOCAL.size + fields[9]]).decode("latin-1")
        places.append(Place(name, fields[6], fields[7], offset))
        offset = places[-1].end
    return places


@dataclass(frozen=True)
class PackHead:
    kind: str
    origin: str
    begin: int
    end: int
    size: int


def parse_head(data: bytes) -> PackHead:
    value = _object(data)
    if value is None or json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() != data:
        raise Malformed("pack.json", "not canonical JSON")
    kind, origin, numbers = value.get("kind"), value.get("origin"), [value.get(name) for name in ("v", "begin", "end", "size")]
    if set(value) != {"v", "kind", "origin", "begin", "end", "size"} or kind not in ("log", "items") or not isinstance(origin, str):
        raise Malformed("pack.json", "members are missing or unknown")
    version, begin, end, size = (number if isinstance(number, int) else -1 for number in numbers)
    if version != 1 or not 0 <= begin <= end <= size:
        raise Malformed("pack.json", "version 1 and begin <= end <= size are expected")
    return PackHead(kind, origin, begin, end, size)


def verify_pack(data: "mmap.mmap | bytes", given: Policy | None, report: Report) -> "Bodies | None":
    """Judge a pack; return what is known of its bodies, for device chains."""
    archive = Archive(data, report)
    head = parse_head(archive.read("pack.json"))
    policy = given or parse_policy(_text(archive.read("policy.txt"), "policy.txt"), "policy.txt")
    checkpoint = parse_checkpoint(archive.read("checkpoint.txt"), "checkpoint.txt")
    report.facts |= {"origin": head.origin, "kind": head.kind, "begin": head.begin, "end": head.end, "size": checkpoint.size}
    if (checkpoint.origin, checkpoint.size) != (head.origin, head.size):
        report.add("checkpoint.txt", "origin or size are not those of pack.json")
    times = judge_checkpoint(checkpoint, policy, "checkpoint.txt", report)
    reader = LeafReader(head.origin, report)
    if head.kind == "log":
        _verify_leaves(archive, head, checkpoint, policy, reader)
    else:
        _verify_items(archive, checkpoint, policy, reader)
    reader.bodies.settle(report)
    archive.read("policy.txt")
    for name in archive.under("devices/"):
        verify_chain(archive.read(name), name, reader.bodies, report)
    archive.read_rest()
    report.facts["acts"] = {act.decode(): count for act, count in sorted(reader.acts.items())}
    judge_policy(policy, given is None, times, report)
    return reader.bodies


def _verify_leaves(archive: Archive, head: PackHead, checkpoint: Checkpoint, policy: Policy, reader: LeafReader) -> None:
    edges = _object(archive.read("edges.json")) or {}
    left, onward = (_hashes(edges.get(name), "edges.json") for name in ("left", "to_checkpoint"))
    if len(left) != head.begin.bit_count():
        raise Malformed("edges.json", f"{head.begin.bit_count()} hashes left of leaf {head.begin} are expected")
    frontier = Frontier(head.begin, left)
    marks = _marks(archive, head, policy, reader.report)
    good_until = head.begin
    for first, last in _ranges(head.begin, head.end):
        hashes = _verify_chunk(archive, first, last, reader)
        for size, root, name in [mark for mark in marks if first < mark[0] <= last]:
            frontier.extend(hashes[frontier.size - first : size - first])
            good_until = _judge_mark(frontier, size, root, name, good_until, reader.report)
        frontier.extend(hashes[frontier.size - first :])
    reader.report.facts["leaves"] = frontier.size - head.begin
    _judge_end(frontier, head, checkpoint, onward, good_until, reader.report)


def _ranges(begin: int, end: int) -> Iterator[tuple[int, int]]:
    first = begin
    while first < end:
        last = min(end, first - first % CHUNK + CHUNK)
        yield first, last
        first = last


def _verify_chunk(archive: Archive, first: int, last: int, reader: LeafReader) -> list[bytes]:
    """Judge the leaves [first, last) with their stored hashes and disclosed bodies; return the computed leaf hashes."""
    report, name = reader.report, f"{first:012d}"
    leaves = unbundle(archive.read(f"leaves/{name}"), f"leaves/{name}", first)
    hashed = sha256
    hashes = [hashed(b"\x00" + leaf).digest() for leaf in leaves]
    stored = archive.read(f"hashes/{name}")
    if b"".join(hashes) != stored:
        _name_changed(first, hashes, stored, report)
    if len(leaves) != last - first:
        report.leaf(min(first + len(leaves), last), f"{last - first} leaves are expected from {first} on, {len(leaves)} are there")
    commitments = reader.read(first, leaves)
    disclosed = f"bodies/{name}.jsonl"
    acts = [leaf[8 : leaf.find(b'"', 8)] for leaf in leaves]
    judge_bodies(archive.read_or_empty(disclosed), disclosed, first, commitments, acts, reader)
    return hashes


def _name_changed(first: int, hashes: Sequence[bytes], stored: bytes, report: Report) -> None:
    for offset, computed in enumerate(hashes):
        if stored[offset * 32 : offset * 32 + 32] != computed:
            report.leaf(first + offset, "its bytes do not hash to the recorded leaf hash")
            return
    report.leaf(first + len(hashes), "recorded, but missing")


def _marks(archive: Archive, head: PackHead, policy: Policy, report: Report) -> list[tuple[int, bytes, str]]:
    """Return size, root and name of the further checkpoints that a pack holds, after judging their signatures."""
    marks = []
    for name in [*archive.under("checkpoints/"), *archive.under("before.txt")]:
        checkpoint = parse_checkpoint(archive.read(name), name)
        if checkpoint.origin != head.origin or not head.begin <= checkpoint.size <= head.end:
            report.add(name, "not a checkpoint of this log and range")
            continue
        times = judge_checkpoint(checkpoint, policy, name, report)
        if name == "before.txt":
            report.facts["window_begins_after"] = {witness: times[witness] for witness in sorted(times)}
            if checkpoint.size != head.begin:
                report.add(name, f"its size is not {head.begin}, where the leaves begin")
        marks.append((checkpoint.size, checkpoint.root, name))
    return sorted(marks)


def _judge_mark(frontier: Frontier, size: int, root: bytes, name: str, good_until: int, report: Report) -> int:
    if frontier.size == size and frontier.root() == root:
        return size
    report.span(name, f"its root is not that of the first {size} leaves", good_until, size)
    return good_until


def _judge_end(
    frontier: Frontier, head: PackHead, checkpoint: Checkpoint, onward: Sequence[bytes], good_until: int, report: Report
) -> None:
    reached, root = frontier.size, frontier.root()
    if reached != head.end:
        return
    if reached == 0 and checkpoint.size == 0:
        is_good = root == checkpoint.root and not onward
    elif reached == 0:
        is_good = not onward
    else:
        is_good = verify_consistency(reached, checkpoint.size, root, checkpoint.root, onward)
    if not is_good:
        report.span("checkpoint.txt", "the leaves do not lead to its root", good_until, reached)


def _verify_items(archive: Archive, checkpoint: Checkpoint, policy: Policy, reader: LeafReader) -> None:
    """Judge an item pack: every proof by itself, each under a checkpoint of the same log."""
    count = 0
    for name in archive.under("proofs/"):
        index, leaf = judge_proof(_text(archive.read(name), name), name, policy, reader.report, origin=checkpoint.origin)
        commitments = LeafReader(checkpoint.origin, reader.report)
        body = commitments.read(index, [leaf])
        reader.acts |= {act: reader.acts.get(act, 0) + number for act, number in commitments.acts.items()}
        disclosed = f"bodies/{index - index % CHUNK:012d}.jsonl"
        lines = archive.read_or_empty(disclosed)
        mine = b"".join(line + b"\n" for line in lines.split(b"\n") if _is_about(line, index))
        judge_bodies(mine, disclosed, index, body, [leaf[8 : leaf.find(b'"', 8)]], reader)
        count += 1
    reader.report.facts["leaves"] = count


def _is_about(line: bytes, index: int) -> bool:
    value = _object(line)
    return value is not None and value.get("seq") == index


def _hashes(value: object, entry: str) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 63 or not all(re.fullmatch(r"[0-9a-f]{64}", str(item)) for item in value):
        raise Malformed(entry, "at most 63 hashes in hex are expected")
    return [bytes.fromhex(item) for item in value]


def _text(data: bytes, entry: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(entry, "not UTF-8") from error


# --- Single proofs --------------------------------------------------------------------------------------------------------------


def judge_proof(text: str, entry: str, policy: Policy | None, report: Report, *, origin: str | None = None) -> tuple[int, bytes]:
    """Judge a tlog-proof; return the index and the leaf that it is about. Without a policy only the arithmetic is judged."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[2]) if len(lines) > 2 else None
    if not blank or lines[0] != "c2sp.org/tlog-proof@v1" or index is None or not lines[1].startswith("extra "):
        raise Malformed(entry, "not a tlog-proof that carries its leaf")
    leaf, hashes = decode_base64(lines[1][6:], entry), [decode_base64(line, entry) for line in lines[3:]]
    checkpoint, number = parse_checkpoint(note.encode(), entry), int(index[1])
    if origin is not None and checkpoint.origin != origin:
        report.add(entry, "its checkpoint belongs to another log")
    if not verify_inclusion(leaf_hash(leaf), number, checkpoint.size, hashes, checkpoint.root):
        report.leaf(number, "the proof does not lead from the leaf to the root of the checkpoint")
    report.facts |= {"origin": checkpoint.origin, "index": number, "size": checkpoint.size}
    if policy is not None:
        report.facts["cosigned_by"] = judge_checkpoint(checkpoint, policy, entry, report)
    return number, leaf


def verify_proof(text: str, entry: str, given: Policy | None, report: Report) -> None:
    index, leaf = judge_proof(text, entry, given, report)
    found = LEAF.fullmatch(leaf)
    if found is None or int(found["seq"]) != index or found["log"].decode() != report.facts["origin"]:
        report.leaf(index, "the leaf is malformed or does not belong at this place of this log")
    report.facts["leaf"] = leaf.decode("utf-8", "replace")
    if given is None:
        report.add(entry, "the checkpoint's signature was not checked: give the log's key with --policy", BELOW_POLICY)
        return
    times = report.facts.get("cosigned_by")
    judge_policy(given, False, times if isinstance(times, dict) else {}, report)


# --- A log as tiles -------------------------------------------------------------------------------------------------------------


def verify_log(folder: Path, given: Policy | None, report: Report) -> None:
    """Judge a folder of tiles: entries against leaf tiles, every tile against the one below it, the root against the checkpoint."""
    checkpoint = parse_checkpoint(_file(folder, "checkpoint"), "checkpoint")
    report.facts |= {"origin": checkpoint.origin, "size": checkpoint.size}
    times = judge_checkpoint(checkpoint, given, "checkpoint", report) if given is not None else {}
    reader, frontier = LeafReader(checkpoint.origin, report), Frontier(0, ())
    row: list[bytes] = []
    for first in range(0, checkpoint.size, 256):
        width = min(256, checkpoint.size - first)
        name = _tile_path(first // 256, width)
        leaves = unbundle(_file(folder, f"tile/entries/{name}"), f"tile/entries/{name}", first)
        hashes = [leaf_hash(leaf) for leaf in leaves]
        if len(leaves) != width:
            report.leaf(first + min(len(leaves), width), f"{width} leaves are expected in tile/entries/{name}")
        reader.read(first, leaves)
        stored = _file(folder, f"tile/0/{name}")
        if b"".join(hashes) != stored:
            _name_changed(first, hashes, stored, report)
        frontier.extend(hashes)
        if width == 256 == len(hashes):
            row.append(_fold(hashes))
    _verify_upper_tiles(folder, row, report)
    if frontier.root() != checkpoint.root:
        report.add("checkpoint", "the leaves do not lead to its root")
    report.facts |= {"leaves": frontier.size, "acts": {act.decode(): count for act, count in sorted(reader.acts.items())}}
    if given is None:
        report.add("checkpoint", "its signature was not checked: give the log's key with --policy", BELOW_POLICY)
    else:
        judge_policy(given, False, times, report)


def _verify_upper_tiles(folder: Path, row: list[bytes], report: Report) -> None:
    level = 1
    while row:
        above = []
        for first in range(0, len(row), 256):
            hashes = row[first : first + 256]
            name = f"tile/{level}/{_tile_path(first // 256, len(hashes))}"
            if _file(folder, name) != b"".join(hashes):
                report.add(name, "the tile does not fit the leaves below it")
            if len(hashes) == 256:
                above.append(_fold(hashes))
        row, level = above, level + 1


def _tile_path(index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups)) + ("" if width == 256 else f".p/{width}")


def _file(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise Malformed(name, error.strerror or "cannot be read") from error


# --- Device chains --------------------------------------------------------------------------------------------------------------


def verify_chain(data: bytes, entry: str, bodies: Bodies | None, report: Report) -> None:
    """Judge a device's results: signature, order, and, with a pack, that the ledger holds each and names the evidence key."""
    lines = data.split(b"\n")
    head = _object(lines[0]) or {}
    evidence, device, enrolled = head.get("evidence"), head.get("device"), head.get("enrolled")
    if not isinstance(evidence, str) or not re.fullmatch(r"[0-9a-f]{64}", evidence) or lines[-1]:
        raise Malformed(entry, "the first line names device and evidence key; every line ends in a newline")
    public, previous = bytes.fromhex(evidence), "0" * 64
    _judge_evidence_key(public, enrolled, entry, bodies, report)
    recorded = bodies.found.get("results", {}) if bodies else {}
    for seq, line in enumerate(lines[1:-1]):
        payload = _open_result(line, public)
        reason = "not signed by the evidence key" if payload is None else _broken_link(payload, seq, previous, head)
        previous = "" if payload is None else sha256(payload).hexdigest()
        if reason is None and bodies is not None and previous not in recorded:
            reason = "the ledger of the pack does not hold this result"
        if reason is not None:
            report.add(f"{entry} link {seq}", reason, TAMPERED, seq)
            break
    chains = report.facts.setdefault("devices", {})
    if isinstance(chains, dict):
        chains[str(device)] = {"links": len(lines) - 2, "head": previous}


def _judge_evidence_key(public: bytes, enrolled: object, entry: str, bodies: Bodies | None, report: Report) -> None:
    named = bodies.enrolled.get(enrolled) if bodies and isinstance(enrolled, int) else None
    if named is None:
        report.add(entry, "no disclosed enrolment leaf names the evidence key: it is declared by the chain itself", BELOW_POLICY)
    elif named != sha256(public).hexdigest():
        report.add(entry, f"leaf {enrolled} names another evidence key")


def _open_result(line: bytes, public: bytes) -> bytes | None:
    envelope = _object(line) or {}
    kind, signatures = envelope.get("payloadType"), envelope.get("signatures")
    if kind != "application/vnd.mainstay.result.v1+json" or not isinstance(signatures, list):
        return None
    try:
        payload = decode_base64(str(envelope.get("payload")), "envelope")
        signed = [decode_base64(str(item["sig"]), "envelope") for item in signatures if isinstance(item, dict) and "sig" in item]
    except Malformed:
        return None
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    return payload if any(verify_signature(public, message, signature) for signature in signed) else None


def _broken_link(payload: bytes, seq: int, previous: str, head: Mapping[str, object]) -> str | None:
    result = _object(payload) or {}
    if result.get("seq") != seq:
        return f"says that it is link {result.get('seq')}"
    if result.get("prev") != previous:
        return "does not continue the link before it"
    return None if all(result.get(name) == head.get(name) for name in ("device", "tenant")) else "belongs to another device"


# --- System Audits --------------------------------------------------------------------------------------------------------------


def verify_audit(data: bytes, entry: str, pdf: bytes | None, bodies: Bodies | None, report: Report) -> None:
    """Judge a report: the ledger holds its hash, one entry for each of its findings, and the hash of the PDF."""
    audit = _audit(data, entry)
    digest, findings = sha256(data).hexdigest(), audit["findings"]
    report.facts["report"] = {
        "run": audit["run"],
        "as_of": audit["as_of"],
        "sha256": digest,
        "demo": audit["demo"],
        "findings": len(findings),
    }
    if pdf is not None:
        report.facts["pdf"] = {"sha256": sha256(pdf).hexdigest()}
        if f"sha256:{digest}".encode() not in pdf:
            report.add("PDF", "it names another report than this one")
    if bodies is None:
        report.add("--pack", "without a pack of the ledger nothing says that this report was issued", MALFORMED)
        return
    if audit["proofs"]["log"] != report.facts.get("origin"):
        report.add(entry, "it names another ledger than that of the pack")
    report.facts["issued"] = _held(digest, _ISSUED, entry, bodies, report)
    held = [_held(sha256(_canonical(one)).hexdigest(), _FOUND, f"finding {one['id']}", bodies, report) for one in findings]
    report.facts["findings_proven"] = sum(seq is not None for seq in held)
    if pdf is not None:
        report.facts["rendered"] = _held(sha256(pdf).hexdigest(), _RENDERED, "PDF", bodies, report)


def _audit(data: bytes, entry: str) -> dict[str, Any]:
    audit = _object(data)
    if audit is None or audit.get("kind") != "system_audit" or audit.get("v") != 1:
        raise Malformed(entry, "not the JSON of a System Audit, version 1")
    if _canonical(audit) != data:
        raise Malformed(entry, "not the bytes that were issued: the JSON is not canonical (RFC 8785). Download the report again")
    findings, proofs = audit.get("findings"), audit.get("proofs")
    if not isinstance(findings, list) or not all(isinstance(one, dict) and "id" in one for one in findings) or not isinstance(proofs, dict):
        raise Malformed(entry, "findings or proofs are missing")
    if any(name not in audit for name in ("run", "as_of", "demo")) or "log" not in proofs:
        raise Malformed(entry, "run, as_of, demo or proofs.log are missing")
    return audit


def _canonical(value: object) -> bytes:
    """RFC 8785 for what a report holds: integers, texts, and names in ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "surrogatepass")


def _held(digest: str, act: str, entry: str, bodies: Bodies, report: Report) -> int | None:
    """Return the leaf whose body names the hash. None there is tampering, unless bodies of this act are closed or none is in the pack."""
    seq = bodies.found.get(act, {}).get(digest)
    if seq is None and act.encode() in bodies.closed:
        report.add(entry, f"the pack discloses not every body of {act}, so its entry cannot be looked up", MALFORMED)
    elif seq is None and act not in bodies.found:
        report.add(entry, f"the pack holds no entry {act}: it is older than this, or of another ledger", MALFORMED)
    elif seq is None:
        report.add(entry, f"no entry {act} of the ledger names its hash")
    return seq


# --- Command line ---------------------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace, report: Report) -> None:
    given = None
    if options.policy:
        given = parse_policy(_text(_path(options.policy), "--policy"), "--policy")
    if options.command == "pack":
        _with_pack(options.file, given, report)
    elif options.command == "proof":
        verify_proof(_text(_path(options.file), options.file), options.file, given, report)
    elif options.command == "log":
        verify_log(Path(options.file), given, report)
    elif options.command == "audit":
        bodies = _with_pack(options.pack, given, report) if options.pack else None
        verify_audit(_path(options.file), options.file, _path(options.pdf) if options.pdf else None, bodies, report)
    else:
        bodies = _with_pack(options.pack, given, report) if options.pack else None
        verify_chain(_path(options.file), options.file, bodies, report)


def _with_pack(path: str, given: Policy | None, report: Report) -> Bodies | None:
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return verify_pack(data, given, report)
    except (OSError, ValueError) as error:
        raise Malformed(path, str(error)) from error


def _path(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Malformed(path, error.strerror or "cannot be read") from error


VERDICTS = {VERIFIED: "verified", TAMPERED: "TAMPERED", MALFORMED: "malformed or incomplete", BELOW_POLICY: "verified, below the policy"}


def as_json(report: Report) -> dict[str, object]:
    first = report.first_bad
    return {
        "verdict": VERDICTS[report.exit_code],
        "exit": report.exit_code,
        "first_bad": first.as_json() if first else None,
        "findings": [finding.as_json() for finding in report.findings[:FINDINGS_SHOWN_MAX]],
        "findings_count": len(report.findings),
        **report.facts,
    }


def as_text(report: Report) -> str:
    lines = [VERDICTS[report.exit_code]]
    if first := report.first_bad:
        lines.append(f"  first: {first.entry}: {first.reason}")
    lines += [f"  {name}: {json.dumps(value, ensure_ascii=True)}" for name, value in report.facts.items()]
    lines += [f"  - {finding.entry}: {finding.reason}" for finding in report.findings[:FINDINGS_SHOWN_MAX]]
    return "\n".join(ascii(line)[1:-1] for line in lines)


_COMMANDS = {
    "pack": "pack (ZIP)",
    "proof": ".tlog-proof",
    "log": "folder of tiles",
    "device": "chain (.jsonl)",
    "audit": "System Audit (.json)",
}


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="mainstay-verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = root.add_subparsers(dest="command", required=True)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=f"check a {what}")
        command.add_argument("file", metavar="REPORT" if name == "audit" else name.upper())
        command.add_argument("--policy", help="tlog-policy file with the log and witness keys that you trust")
        command.add_argument("--json", action="store_true", help="print one JSON object")
        if name == "device":
            command.add_argument("--pack", help="the pack whose ledger must hold the results")
        if name == "audit":
            command.add_argument("--pack", help="the pack whose ledger must hold the report and its findings")
            command.add_argument("--pdf", help="the PDF of this report")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    report = Report()
    try:
        _run(options, report)
    except Malformed as problem:
        report.add(problem.entry, problem.reason, MALFORMED)
    print(json.dumps(as_json(report), ensure_ascii=True) if options.json else as_text(report))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
