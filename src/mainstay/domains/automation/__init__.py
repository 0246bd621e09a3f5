"""Automation: the action gate, durable runs, runbooks and self-healing, commands to endpoints, trust documents.

Owns: what may be done to a system, by whose authority, how often, and what came of it.
Does not own: how an effect reaches the outside (connectors, plugged in by config.wiring), incidents (desk), signals (alerting).
Invariant: the only path to an effect is the gate; every "no" is stored with its typed reason.
"""
