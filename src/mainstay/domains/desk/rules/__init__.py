"""What the help desk decides, without a database: clocks, pauses, thresholds, statuses, priorities, references.

Owns: pure functions over frozen values. Does not own: when they run or what is stored (services).
Invariant: the same events, policies and instant always give the same answer.
Source: help desk page, sections 2 to 5.
"""
