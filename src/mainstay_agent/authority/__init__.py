"""The core of the endpoint's authority: verify, decide, record.

Owns: documents, replay table, budgets, held commands, the result chain, freeze; and the order in which they are committed.
Does not own: the rules (`mainstay_trust`), sockets (`helper`), effects (`actions`).
Invariant: everything a verdict depends on is stored on this side; nothing is taken from the process that asks.
"""
