"""Pure decisions of automation: limits, healing, the next step of a run, verification. No I/O, no clock, no framework."""
