"""Time zones as this machine knows them.

Owns: looking up an IANA name, and the zone that the machine itself keeps.
Does not own: when a window is open (`mainstay_trust.windows`).
Invariant: a zone is looked up here and never taken from a command; one that this machine does not know is an error, not UTC.
"""

from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from mainstay_trust.windows import DEVICE_ZONE


def zone(name: str, root: Path = Path("/")) -> tzinfo:
    """Return a zone by its IANA name, or the machine's own for `device`. Errors: LookupError when this machine does not know it."""
    if name == DEVICE_ZONE:
        return _own(root)
    try:
        return ZoneInfo(name)
    except ValueError as problem:
        raise LookupError(f"{name} is no time zone") from problem


def _own(root: Path) -> tzinfo:
    try:
        with open(root / "etc/localtime", "rb") as stream:
            return ZoneInfo.from_file(stream, key="device")
    except FileNotFoundError:
        return UTC  # localtime(5): a machine without the file keeps UTC
    except ValueError as problem:
        raise LookupError("the machine's own time zone cannot be read") from problem
