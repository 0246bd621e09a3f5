"""Pure decisions of alerting: what is bad, for how long, and who needs to know."""
