"""A document as PDF: typst, PDF/A-2a for the archive and PDF/UA-1 for people who do not see the page.

Owns: the call of the renderer. Does not own: the look (`document.typ`), the words (the composer).
Invariant: data enters as JSON, never as markup; fonts are those inside the renderer; the date is the document's own.

A thick report takes half a gigabyte for a second or two, so `render_pdf` draws in a process that ends with it.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import typst

from mainstay.kernel.errors import Unavailable
from mainstay.kernel.json import Json, JsonObject
from mainstay.ui.documents.legible import legible

# Printed in the document: another version may draw other bytes from the same data, and a check then says so.
TEMPLATE_VERSION: Final = "1"
_ARCHIVE: Final = "a-2a"
_ACCESSIBLE: Final = "ua-1"
_TEMPLATE: Final = Path(__file__).parent / "document.typ"
_TIMEOUT_S: Final = 120


def render_pdf(document: JsonObject) -> bytes:
    """Return the document as PDF, drawn by a process of its own. Errors: Unavailable when that process fails."""
    argv = [sys.executable, "-m", "mainstay.ui.documents"]
    try:
        drawn = subprocess.run(argv, input=json.dumps(document).encode(), capture_output=True, check=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as problem:
        last = problem.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Unavailable("documents.not_drawn", f"The PDF could not be drawn: {last[:300]}", retryable=False) from problem
    except subprocess.TimeoutExpired as problem:
        raise Unavailable("documents.too_slow", f"The PDF was not ready after {_TIMEOUT_S} s.") from problem
    return drawn.stdout


def pdf_bytes(document: JsonObject) -> bytes:
    """Return the document as PDF, drawn here. Errors: typst.TypstError when the document has not the shape that the template reads."""
    data = _compiler().compile(format="pdf", pdf_standards=[_ARCHIVE, _ACCESSIBLE], sys_inputs=_inputs(document))
    assert isinstance(data, bytes), "a PDF is one file"  # noqa: S101  (the renderer's type allows lists, for pictures of pages)
    return data


def page_pictures(document: JsonObject, *, ppi: float = 110) -> list[bytes]:
    """Return each page as PNG, for the eyes of a person who changes the template."""
    pages = _compiler().compile(format="png", ppi=ppi, sys_inputs=_inputs(document))
    return [pages] if isinstance(pages, bytes) else list(pages or [])


def renderer() -> str:
    """Return template and renderer with their versions, as they stand in the ledger beside the hash of a PDF."""
    return f"template {TEMPLATE_VERSION}, typst {version('typst')}"


def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    return typst.Compiler(_TEMPLATE, root=_TEMPLATE.parent, font_paths=fonts, ignore_system_fonts=True)


def _inputs(document: JsonObject) -> dict[str, str]:
    text = json.dumps(_legible(document), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {"document": text, "template": TEMPLATE_VERSION, "renderer": version("typst")}


def _legible(value: Json) -> Json:
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, Mapping):
        return {key: _legible(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_legible(each) for each in value]
    return value
