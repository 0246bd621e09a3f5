"""Configuration as code: what people configure, as text files, and back.

Owns: the files' form, what each kind says and how it is carried out, the plan, drift. Does not own: the changes themselves; each is
a service of its domain, with its permission and its ledger entry. Invariant: a set of files is applied whole or not at all.
"""

from mainstay.console.managed.applying import apply_files, export_files

__all__ = ["apply_files", "export_files"]
