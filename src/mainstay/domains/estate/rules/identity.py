"""Is this the device that it says it is? Clones, re-enrolment, and which codes still count.

Source: endpoint page, rules N1, N5, N6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mainstay.kernel.decisions import Decision

CODE_LIFE_S_MAX = 24 * 3600
WRONG_ATTEMPTS_MAX = 5

_PLACEHOLDERS = frozenset(
    {
        "",
        "none",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
        "0123456789",
        "03000200-0400-0500-0006-000700080009",
    }
)


class CodeReason(StrEnum):
    USABLE = "usable"
    EXPIRED = "code_expired"
    USED_UP = "code_used_up"
    VOID = "code_void"


class PollReason(StrEnum):
    NEXT = "next"
    RETRY = "retry"
    FALLING_SEQ = "clone:falling_poll_seq"
    INTERLEAVED_BOOTS = "clone:interleaved_boot_ids"


@dataclass(frozen=True)
class CodeState:
    """What is stored of an enrolment code."""

    uses_left: int
    expires_at: datetime
    wrong_attempts: int
    is_void: bool


@dataclass(frozen=True)
class PollMark:
    """Where a device's polls stand: the highest number, the boot it named, and the boot before that."""

    seq: int
    boot_id: str
    boot_id_before: str


@dataclass(frozen=True)
class Fingerprint:
    """The parts of a machine by which it is recognised after a new installation."""

    device_id: UUID
    serial: str
    board_uuid: str
    macs: frozenset[str]


def code_usable(code: CodeState, *, at: datetime) -> Decision[None]:
    """Say whether a code may still bring a device in."""
    if code.is_void or code.wrong_attempts >= WRONG_ATTEMPTS_MAX:
        return Decision.no(CodeReason.VOID)
    if at > code.expires_at:
        return Decision.no(CodeReason.EXPIRED)
    if code.uses_left < 1:
        return Decision.no(CodeReason.USED_UP)
    return Decision.yes(CodeReason.USABLE)


def next_poll(mark: PollMark, *, seq: int, boot_id: str) -> Decision[PollMark]:
    """Judge the number and the boot id of a poll.

    An agent writes its number down before it sends, and repeats a poll only with the same number. So a smaller number, or
    a boot that comes back after another one, is a second machine with the same key.
    """
    if boot_id and boot_id == mark.boot_id_before and boot_id != mark.boot_id:
        return Decision.no(PollReason.INTERLEAVED_BOOTS)
    if seq < mark.seq:
        return Decision.no(PollReason.FALLING_SEQ)
    before = mark.boot_id if boot_id != mark.boot_id else mark.boot_id_before
    fields = PollMark(seq, boot_id or mark.boot_id, before)
    return Decision.yes(PollReason.RETRY if seq == mark.seq else PollReason.NEXT, fields)


def is_placeholder(value: str) -> bool:
    """Tell whether a serial number or board UUID is what a manufacturer left unfilled."""
    bare = value.strip().lower()
    digits = bare.replace("-", "")
    return bare in _PLACEHOLDERS or (bool(digits) and set(digits) <= {"0"}) or (len(digits) == 32 and set(digits) <= {"f"})


def propose_match(new: Fingerprint, known: Sequence[Fingerprint]) -> UUID | None:
    """Return the device that a new enrolment probably is, or None when none or more than one fits. A person decides."""
    found = [one.device_id for one in known if one.device_id != new.device_id and _same_machine(new, one)]
    return found[0] if len(found) == 1 else None


def _same_machine(left: Fingerprint, right: Fingerprint) -> bool:
    strong = (_equal(left.serial, right.serial), _equal(left.board_uuid, right.board_uuid))
    differs = any(result is False for result in strong)
    same = sum(result is True for result in strong) + bool(left.macs & right.macs)
    return not differs and same >= 2


def _equal(left: str, right: str) -> bool | None:
    if is_placeholder(left) or is_placeholder(right):
        return None
    return left.strip().lower() == right.strip().lower()
