"""The authority as the networked half sees it: a verb, a body, an answer.

Owns: the seam between both halves.
Does not own: what stands behind it (`helper.client` asks the root half, `authority.embedded` one in the same process).
Invariant: this module imports nothing of the authority, so that a networked half beside a root half does not carry a second one in memory.
"""

from collections.abc import Mapping
from typing import Protocol

from mainstay_trust.canonical import JSON

Body = Mapping[str, JSON]
Answer = dict[str, JSON]


class Asks(Protocol):
    """Raises Rejected for a refusal, ConnectionError when the root half is not there."""

    def ask(self, verb: str, body: Body) -> Answer: ...
