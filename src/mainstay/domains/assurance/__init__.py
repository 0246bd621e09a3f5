"""Assurance: what is true about an organisation's IT, shown so that an outsider can check it.

Owns: the System Audit (checks, runs, findings, score, roadmap), frameworks and their requirements.
Does not own: the facts (`estate`), the samples (`telemetry`), tickets (`desk`) or repairs (`automation`).
Invariant: what was not seen is `unknown` with a reason, never a pass; no figure without its population.
"""
