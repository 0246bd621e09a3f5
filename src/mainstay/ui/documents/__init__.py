"""Documents: one JSON of paragraphs, figures, tables and findings, shown as a page and as a PDF that is the same each time.

Owns: the shape of a document, its HTML and its PDF (PDF/A-2a and PDF/UA-1 in one file).
Does not own: what a document says (the domain that composes it), nor who keeps or signs it.
Invariant: the same document, template and renderer give the same bytes; nothing here reads a clock, a network or a font of the machine.

A document has `title, subtitle, author, keywords, lang, region, paper, date ([y, m, d]), as_of, demo, sha256, colophon` and `blocks`;
a block is an object with a `type` that both `document.typ` and `templates/ui/document/` know: heading, text, summary, score, figures,
table, bars, list, graph, series, finding, stages, facts.
Where a block or cell has `ref`, it leads to the block with that `id`.
"""

from mainstay.ui.documents.linked import linked
from mainstay.ui.documents.pdf import page_pictures, pdf_bytes, render_pdf, renderer

__all__ = ["linked", "page_pictures", "pdf_bytes", "render_pdf", "renderer"]
