"""The endpoint agent: it observes one machine, and changes it only with authority that its server does not hold.

Owns: the networked half (`net`), the root half (`helper`) and its core (`authority`), the built-in actions, the collectors.
Does not own: envelopes, checks and proofs (`mainstay_trust`), nor anything of the server.
Invariant: nothing above tier T0 happens without the checks of `authority` and a durable `started` link before it.
"""

VERSION = "0.1.0"
