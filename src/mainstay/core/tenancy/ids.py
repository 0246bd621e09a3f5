"""New row ids: the one place where the server draws them."""

import secrets
import time
from uuid import UUID

from mainstay.kernel.ids import uuid7


def new_id() -> UUID:
    """Return a fresh UUIDv7; rows made later sort later (to the millisecond)."""
    return uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10))
