"""Who is here, and what they may do.

Owns: tenants, people, roles, grants, tokens, one-time links, policies and their decisions, the scope of a request,
field encryption, the installation's own CA. Does not own: the wall in the database (core.tenancy), evidence (core.ledger).
Invariant: no service acts without a decision, and the decision is a refusal unless a policy permits.
"""
