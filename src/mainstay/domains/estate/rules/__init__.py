"""Pure decisions of the estate: identity, freshness, changes of facts."""
