"""Pure vocabulary of the whole server: ids, clock, calendars, severity, decisions, errors.

Owns: words that every layer shares. Refuses: I/O, clock reads, randomness, Django.
"""
