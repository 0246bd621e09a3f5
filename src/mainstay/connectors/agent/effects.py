"""What we ask of agents: sealing a command with the server's command key.

Owns: the key in memory and the seal. Does not own: whether a command may exist (the action gate of automation).
Importable from config.wiring alone, so that nothing reaches an endpoint around the gate.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from uuid import UUID

from django.db import connection
from nacl.signing import SigningKey

from mainstay.domains.automation.services.ports import SignedCommand
from mainstay.kernel.errors import Unavailable
from mainstay.kernel.json import Json
from mainstay_trust import canonical, dsse

WAKE_CHANNEL = "agent_wake"


class AgentCommands:
    """Seals commands with the key in a file that only the worker may read. The key is read at first use."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: SigningKey | None = None

    def seal(self, payload: Mapping[str, Json]) -> SignedCommand:
        """Return the sealed command. Errors: Unavailable("automation.no_command_key") where the key cannot be read."""
        key = self._signing_key()
        body = canonical.encode(cast(canonical.JSON, payload))  # a float would be refused there, which is what we want
        signer = dsse.Signer(bytes(key.verify_key), lambda message: key.sign(message).signature)
        return SignedCommand(dsse.seal(dsse.COMMAND, body, [signer]).as_json(), hashlib.sha256(body).hexdigest())

    def public_key(self) -> bytes:
        return bytes(self._signing_key().verify_key)

    def _signing_key(self) -> SigningKey:
        if self._key is None:
            try:
                self._key = SigningKey(self._key_file.read_bytes())
            except OSError as problem:
                raise Unavailable(
                    "automation.no_command_key", "This process cannot read the command key; only the worker can.", retryable=False
                ) from problem
        return self._key


class AgentWake:
    """Tells the web processes, when the transaction commits, that a device has something to fetch."""

    def wake(self, device_id: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [WAKE_CHANNEL, device_id.hex])
