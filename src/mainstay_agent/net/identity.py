"""Who this device is to its server.

Owns: the state folder, the transport and witness keys, the receipt of enrolment, wiping all of it.
Does not own: the evidence key (`authority`).
Invariant: only the receipt makes a device; without it the agent observes nothing and talks to nobody.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mainstay_agent.host import durable
from mainstay_agent.host.ed25519 import KeyPair, load_or_create
from mainstay_trust.canonical import JSON
from mainstay_trust.keys import Key, public_from_hex

STATE_FOLDER = "/var/lib/mainstay-agent"


@dataclass(frozen=True, slots=True)
class Home:
    """The files of the net process."""

    folder: Path

    @classmethod
    def from_environment(cls) -> "Home":
        return cls(Path(os.environ.get("MAINSTAY_AGENT_STATE", STATE_FOLDER)))

    @property
    def receipt(self) -> Path:
        return self.folder / "receipt.json"

    @property
    def spool(self) -> Path:
        return self.folder / "spool.sqlite3"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def authority(self) -> Path:
        return self.folder / "authority"

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    @property
    def contacts(self) -> Path:
        return self.folder / "contacts.json"

    @property
    def alarms(self) -> Path:
        return self.folder / "alarms"

    def key(self, purpose: str) -> KeyPair:
        durable.make_private_folder(self.folder)
        durable.make_private_folder(self.folder / "keys")
        return load_or_create(self.folder / "keys" / f"{purpose}.key")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What enrolment gave, together with the address and the pin under which it was given."""

    url: str
    spki: str
    device: str
    tenant: str
    body: Mapping[str, JSON]
    has_helper: bool = False

    def keys(self, purpose: str) -> tuple[Key, ...]:
        """Return the keys of the receipt for `server` or `reply`; they count only until a policy names its own."""
        listed = self.body.get("keys")
        values = listed.get(purpose) if isinstance(listed, Mapping) else None
        return tuple(Key(public_from_hex(value), f"receipt:{purpose}") for value in _list(values))

    @property
    def checkpoint(self) -> str:
        return str(self.body.get("checkpoint", ""))

    def as_json(self) -> dict[str, JSON]:
        return {
            "url": self.url,
            "spki": self.spki,
            "device": self.device,
            "tenant": self.tenant,
            "body": self.body,
            "has_helper": self.has_helper,
        }


def save(home: Home, receipt: Receipt) -> None:
    durable.make_private_folder(home.folder)
    durable.replace(home.receipt, json.dumps(receipt.as_json()).encode())


def load(home: Home) -> Receipt | None:
    """Return the stored receipt, or None before enrolment. Errors: ValueError for a damaged file."""
    try:
        stored = json.loads(home.receipt.read_bytes())
    except FileNotFoundError:
        return None
    return Receipt(stored["url"], stored["spki"], stored["device"], stored["tenant"], stored["body"], stored["has_helper"])


def wipe(home: Home) -> None:
    """Destroy the keys first, then everything else that was this device (rule N7)."""
    for path in (*sorted((home.folder / "keys").glob("*.key")), home.receipt, home.spool, home.checkpoint, home.contacts):
        path.unlink(missing_ok=True)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
