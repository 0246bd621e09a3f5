"""What a server, an endpoint and an auditor must agree on, byte for byte.

Owns: canonical JSON, signed envelopes, keys and thresholds, Merkle proofs, signed notes, enrolment proofs, trust documents,
the order in which an endpoint judges a command, the device's result chain, evidence packs.
Does not own: keys at rest, files, sockets, clocks, databases. Ed25519 itself is passed in.
Invariant: every function is pure; the same bytes give the same verdict on every machine and in every year.
"""
