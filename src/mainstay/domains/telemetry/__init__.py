"""Signals: samples, logs and results, stored once and answered for.

Owns: the spool, the tables of the telemetry engine and every statement sent to it, the identity of series, charts.
Does not own: what a signal means (alerting), which device exists (estate), the engine's process (engines).
Invariant: what was acknowledged is on disk in the spool or confirmed by the engine, and counted once.
"""
