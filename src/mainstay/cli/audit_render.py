"""Whether a PDF is the one that its report gives: the same, made by another renderer, of another report, or changed.

Owns: the judgement of two files. Does not own: making either. Invariant: another version of the renderer is never called a change.
"""

import re

from mainstay.kernel.errors import Conflict

# A PDF names report and renderer in its keywords, which the archive standard keeps readable.
_REPORT, _RENDERER = re.compile(rb"sha256:([0-9a-f]{64})"), re.compile(rb"template:([0-9]+)\W+typst:([0-9.]+)")


def judge(given: bytes, made: bytes) -> str:
    """Return a sentence on a PDF that is right or cannot be compared. Errors: Conflict for one of another report, and for a changed one."""
    if given == made:
        return "The same bytes: this is the PDF of this audit."
    if _report(given) != _report(made):
        raise Conflict("cli.pdf_of_another_report", "This PDF names another report, or none.")
    if _renderer(given) != _renderer(made):
        versions = f"{_renderer(given)} made it, here is {_renderer(made)}"
        return f"The renderer differs: {versions}. The bytes cannot be compared; the ledger holds its hash."
    raise Conflict("cli.pdf_changed", "The same report and the same renderer give other bytes: this PDF was changed after it was made.")


def _report(pdf: bytes) -> bytes:
    found = _REPORT.search(pdf)
    return found[1] if found else b""


def _renderer(pdf: bytes) -> str:
    found = _RENDERER.search(pdf)
    return f"template {found[1].decode()}, typst {found[2].decode()}" if found else "an unknown renderer"
