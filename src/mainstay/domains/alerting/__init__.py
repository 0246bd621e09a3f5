"""From signals to the smallest number of true alerts, each of which can say why it is there and why nobody was told.

Owns: rules, the states of alerts, folds, acknowledgements, snoozes. Does not own: signals (telemetry, estate), incidents (desk).
Invariant: silence and doubt are never "down"; an outage of our own store never changes the state of an alert.
"""
