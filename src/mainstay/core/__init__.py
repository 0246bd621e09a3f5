"""What every domain stands on: tenants and row security, ledger, access, jobs (in this order, upwards)."""
