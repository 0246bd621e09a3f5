"""The built-in actions: short-lived programs, started as `python -m mainstay_agent.actions.<name>` with JSON on standard input.

Owns: one effect or one look each.
Does not own: whether it may happen (`authority`).
Invariant: a program trusts its parameters only as far as it checks them again, prints what it did, and tells success by its exit code.
"""
