"""The demonstration: an installation of its own with invented people, simulated machines, and proofs that are real.

Owns: the invented world and how it is brought in. Does not own: anything that a real installation uses.
Invariant: every row of it came through the door that real machines and people use; nothing is written behind it.
"""

from mainstay.cli.demo.command import register

__all__ = ["register"]
