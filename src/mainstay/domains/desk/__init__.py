"""The help desk: tickets, their events, the promises made for them, and who must act next.

Owns: tickets, incidents, working calendars, policies, clocks, breaches. Does not own: alerts, runs, money.
Invariant: a ticket's events are the truth; status, clocks and due instants are caches that `rebuild_clocks` reproduces.
"""
