"""The design kit: base templates, lists, saved views, charts, the live stream. Knows access, no domain.

Owns: how things look and how lists behave. Does not own: what a list means (a domain declares it).
Invariant: the content security policy needs neither unsafe-inline nor unsafe-eval.
"""
