"""The ports through which automation reaches the outside. config.wiring plugs the concrete parts in.

Owns: what automation asks for. Does not own: who answers; the connectors' effects are importable from the wiring alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from mainstay.kernel.errors import Unavailable
from mainstay.kernel.json import Json


@dataclass(frozen=True)
class SignedCommand:
    """A sealed command: its envelope as JSON and the SHA-256 of its payload bytes."""

    envelope: Mapping[str, Json]
    payload_sha256: str


class CommandPort(Protocol):
    """Seals a command payload with the server's command key. Only the worker process holds that key."""

    def seal(self, payload: Mapping[str, Json]) -> SignedCommand:
        """Errors: Unavailable when this process holds no command key."""
        ...


class WakePort(Protocol):
    """Tells the web processes, after commit, that a device has something to fetch."""

    def wake(self, device_id: UUID) -> None: ...


class _NoCommands:
    def seal(self, payload: Mapping[str, Json]) -> SignedCommand:
        raise Unavailable("automation.no_command_key", "This process cannot sign commands; only the worker can.", retryable=False)


class _NoWake:
    def wake(self, device_id: UUID) -> None:
        """Without a listener the device finds its command at its next poll."""


@dataclass
class Ports:
    """The plugged parts. Until the wiring ran, every effect is refused."""

    commands: CommandPort = field(default_factory=_NoCommands)
    devices: WakePort = field(default_factory=_NoWake)


PORTS = Ports()


def plug(*, commands: CommandPort, devices: WakePort) -> None:
    """Plug the concrete parts in; called once by config.wiring."""
    PORTS.commands = commands
    PORTS.devices = devices
