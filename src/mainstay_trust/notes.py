"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

Owns: the text forms, verifier keys, log signatures (type 01) and timestamped cosignatures (type 04).
Does not own: which keys are trusted, or whether a checkpoint fits an earlier one (`witness`).
Invariant: signatures of unknown keys are ignored; a known key with a bad signature rejects the whole note.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mainstay_trust.errors import Rejected
from mainstay_trust.keys import Sign, Verify, check_public, signature_holds

LOG_KEY = 0x01
COSIGNER_KEY = 0x04
NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 100

_DASH = "\u2014"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Vkey:
    """A verifier key: the name under which a key signs, its algorithm byte and the public key."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode('ascii')}"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line; `blob` is what follows the four bytes of the key id."""

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {base64.b64encode(self.key_id + self.blob).decode('ascii')}"

    @property
    def timestamp(self) -> int | None:
        """The Unix second of a cosignature (8 bytes before the 64 of Ed25519), else None."""
        return int.from_bytes(self.blob[:8], "big") if len(self.blob) == 72 else None


@dataclass(frozen=True)
class Note:
    """Text that ends in a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(f"{signature}\n" for signature in self.signatures)).encode()

    def with_signature(self, signature: NoteSignature) -> "Note":
        """Return the note with one more line; an older line of the same key is replaced."""
        others = tuple(s for s in self.signatures if (s.name, s.key_id) != (signature.name, signature.key_id))
        return replace(self, signatures=(*others, signature))


@dataclass(frozen=True)
class Verified:
    """A known key whose signature holds; `timestamp` is set for cosignatures."""

    vkey: Vkey
    timestamp: int | None


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: its origin, its size and the root over that many leaves."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


def parse_note(data: bytes) -> Note:
    """Read a signed note. Errors: Rejected("bad_note") with the reason."""
    if len(data) > NOTE_BYTES_MAX:
        raise Rejected("bad_note", "too large")
    text = _clean_text(data)
    end = text.rfind("\n\n")
    if end < 0 or not text.endswith("\n"):
        raise Rejected("bad_note", "no blank line between text and signatures")
    lines = text[end + 2 : -1].split("\n") if len(text) > end + 2 else []
    if not 1 <= len(lines) <= SIGNATURES_MAX:
        raise Rejected("bad_note", f"1 to {SIGNATURES_MAX} signature lines are expected")
    return Note(text[: end + 1], tuple(parse_signature(line) for line in lines))


def parse_signature(line: str) -> NoteSignature:
    """Read one signature line, as a witness returns it."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
        raise Rejected("bad_note", "malformed signature line")
    blob = _base64(parts[2])
    if len(blob) < 5:
        raise Rejected("bad_note", "signature too short")
    return NoteSignature(parts[1], blob[:4], blob[4:])


def parse_vkey(text: str) -> Vkey:
    """Read a verifier key `name+id+base64(kind || public)` and check that the id is its own."""
    parts = text.strip("\n").split("+", 2)
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise Rejected("bad_vkey", "name+id+key is expected")
    blob = _base64(parts[2])
    if len(blob) != 33 or blob[0] not in (LOG_KEY, COSIGNER_KEY):
        raise Rejected("bad_vkey", "not an Ed25519 log or cosigner key")
    vkey = Vkey(parts[0], blob[0], check_public(blob[1:]))
    if vkey.key_id.hex() != parts[1]:
        raise Rejected("bad_vkey", "the key id is not the key's own")
    return vkey


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: exactly three lines, no extensions, no leading zeros."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise Rejected("bad_checkpoint", "origin, size and root on three lines are expected")
    root = _base64(lines[2])
    if len(root) != 32:
        raise Rejected("bad_checkpoint", "the root has 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)


def sign_text(text: str, vkey: Vkey, sign: Sign) -> NoteSignature:
    """Sign a note's text as a log (type 01)."""
    return NoteSignature(vkey.name, vkey.key_id, sign(text.encode()))


def sign_checkpoint(checkpoint: Checkpoint, vkey: Vkey, sign: Sign) -> Note:
    """Return the checkpoint as a note with the log's signature; deterministic, so repeating it gives the same bytes."""
    return Note(checkpoint.text, (sign_text(checkpoint.text, vkey, sign),))


def cosign(text: str, vkey: Vkey, sign: Sign, *, at: int) -> NoteSignature:
    """Cosign a checkpoint's text as a witness (type 04) at a Unix second."""
    return NoteSignature(vkey.name, vkey.key_id, at.to_bytes(8, "big") + sign(cosigned_message(text, at)))


def cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def verify_note(note: Note, known: Iterable[Vkey], verify: Verify) -> tuple[Verified, ...]:
    """Return each known key that signed; a known key with a bad signature is Rejected("bad_signature")."""
    by_id = {(vkey.name, vkey.key_id): vkey for vkey in known}
    found = []
    for signature in note.signatures:
        vkey = by_id.get((signature.name, signature.key_id))
        if vkey is None:
            continue
        if not _holds(note.text, vkey, signature, verify):
            raise Rejected("bad_signature", f"the signature of {vkey.name} does not hold")
        found.append(Verified(vkey, signature.timestamp if vkey.kind == COSIGNER_KEY else None))
    return tuple(found)


def open_checkpoint(data: bytes, logs: Sequence[Vkey], verify: Verify) -> tuple[Checkpoint, Note]:
    """Read a checkpoint signed by one of the log keys given, whose name is the origin.

    Errors: Rejected: bad_note, bad_checkpoint, bad_signature, or unknown_origin when no known log key of this origin signed.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    signers = verify_note(note, [vkey for vkey in logs if vkey.kind == LOG_KEY], verify)
    if not any(signer.vkey.name == checkpoint.origin for signer in signers):
        raise Rejected("unknown_origin", f"no known key of {checkpoint.origin[:200]} signed")
    return checkpoint, note


def _holds(text: str, vkey: Vkey, signature: NoteSignature, verify: Verify) -> bool:
    if vkey.kind == LOG_KEY:
        return signature_holds(verify, vkey.public, text.encode(), signature.blob)
    timestamp = signature.timestamp
    if timestamp is None:
        return False
    return signature_holds(verify, vkey.public, cosigned_message(text, timestamp), signature.blob[8:])


def _clean_text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("bad_note", "not UTF-8") from error
    if _CONTROL.search(text):
        raise Rejected("bad_note", "control character")
    return text


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("bad_note", "not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise Rejected("bad_note", "not canonical base64")
    return data
