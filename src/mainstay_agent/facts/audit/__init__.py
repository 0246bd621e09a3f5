"""Facts of the System Audit: one module per part of the machine, each group with the sources that it rests on.

Invariant: what is secret is judged here; hashes, keys and contents of files never enter a group, only their class and count.
"""
