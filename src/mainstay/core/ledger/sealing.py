"""The slot of the sealer: bodies are stored only through it, and the wiring fills it.

Owns: the slot, the place of a sealed body. Does not own: keys and ciphers, since the ledger knows nobody above it.
Invariant: without a sealer no body is written; nothing falls back to plain text.
"""

from mainstay.kernel.errors import Unavailable
from mainstay.kernel.sealing import Place, Sealer

_slot: list[Sealer] = []


def configure_sealer(sealer: Sealer) -> None:
    """Plug in the installation's sealer; done once, by the wiring. The last call counts."""
    _slot[:] = [sealer]


def current_sealer() -> Sealer:
    """Return the sealer. Errors: Unavailable("sealing.not_configured")."""
    if not _slot:
        raise Unavailable("sealing.not_configured", "No key-encryption key is configured, so no body can be kept.", retryable=False)
    return _slot[0]


def place_of(commitment: str) -> Place:
    """Where a sealed body stands: bound to its commitment, which is known before the entry has a number and never changes."""
    return Place("ledger_body", "sealed", commitment)
