"""What a fact may be.

Owns: the value type, and `Unknown`, the way in which a collector says that it cannot know.
Invariant: what is not known is never shown as false, zero or empty; it has a reason.
"""

from typing import Literal, TypeAlias

Value: TypeAlias = dict[str, "Value"] | list["Value"] | str | int | bool | None
Fields: TypeAlias = dict[str, Value]
Reason = Literal["needs_helper", "tool_missing", "timeout", "parse_failed", "not_supported", "lists_missing", "denied", "running"]


class Unknown(Exception):
    """A whole group cannot be known; the reason is shown to people."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def with_unknown(fields: Fields, unknown: dict[str, Reason]) -> Fields:
    """Name single fields that cannot be known, if there are any."""
    if unknown:
        fields["unknown"] = dict(unknown)
    return fields
