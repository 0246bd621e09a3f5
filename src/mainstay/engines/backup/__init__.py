"""The installation's own backup: everything that a new machine needs, in one sealed file.

Owns: what goes into the file, its seal, and the way back. Does not own: backups of clients' systems, or where the file is kept.
Invariant: a file that was cut, changed or made with another passphrase restores nothing.
"""
