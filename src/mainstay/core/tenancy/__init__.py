"""Rows that belong to a tenant, and the database's own wall between tenants.

Owns: the base of tenant-owned tables, the migration operation that forces row-level security, the binding
of a transaction to a tenant, the start-up check. Does not own: who may do what (core.access).
Invariant: without a bound tenant a query returns no row and a write fails.
"""
