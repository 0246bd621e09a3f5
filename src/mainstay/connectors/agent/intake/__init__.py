"""The agent endpoint: what enrolled devices send, and what waits for them.

Owns: `/agent/v1/*`, its limits, its signatures, the long poll. Does not own: what the signals mean (the domains).
Invariant: "stored" is answered only for what is on disk; every answer is signed; every refusal is counted.
Source: endpoint page, sections 2.2 and 2.3.
"""

from mainstay.connectors.agent.intake.app import ROUTES, make_app

__all__ = ["ROUTES", "make_app"]
