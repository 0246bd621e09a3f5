"""Background work in PostgreSQL: the outbox, tasks, schedules, the live stream's notices, the worker process.

Owns: how work is handed on, retried, abandoned visibly, and started at its time.
Does not own: what the work does; domains and flows bring functions, the wiring says which.
Invariant: work exists exactly when the change that asked for it was committed; each (event, consumer) takes effect once.
"""
