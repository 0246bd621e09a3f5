"""Documents on paper: the same bytes each time, tagged for readers, and no text that breaks out or breaks the archive."""

import re
import zlib

import pytest
import typst

from mainstay.kernel.errors import Unavailable
from mainstay.ui.documents import linked, pdf_bytes, render_pdf
from mainstay.ui.documents.legible import DRAWN, legible


def document(*blocks, **head):
    return {
        "title": "System Audit: Harbor Law LLP",
        "subtitle": "As of 20 November 2026",
        "author": "Mainstay",
        "keywords": ["System Audit"],
        "lang": "en",
        "region": "GB",
        "paper": "a4",
        "date": [2026, 11, 20],
        "as_of": "20 November 2026, 09:30 UTC",
        "demo": False,
        "sha256": "ab" * 32,
        "colophon": [["Mainstay", "0.1.0"]],
        "blocks": list(blocks),
        **head,
    }


def heading(text="The answer"):
    return {"type": "heading", "level": 1, "id": "answer", "text": text, "fresh_page": False}


def paragraph(text):
    return {"type": "text", "text": text, "tone": None, "is_small": False}


TABLE = {
    "type": "table",
    "title": "",
    "empty": "None.",
    "columns": [{"label": "Device", "share": 1}],
    "rows": [["harbor-dc1"], ["elm-ehr1"]],
}


def plain(pdf):
    """The file with its compressed streams opened: object streams hold the tree of tags."""
    opened = []
    for stream in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            opened.append(zlib.decompress(stream[1]))
        except zlib.error:
            opened.append(stream[1])
    return pdf + b"\n".join(opened)


def test_the_same_document_gives_the_same_bytes():
    first = pdf_bytes(document(heading(), paragraph("Two weaknesses were closed."), TABLE))

    assert pdf_bytes(document(heading(), paragraph("Two weaknesses were closed."), TABLE)) == first
    assert pdf_bytes(document(heading(), paragraph("Two weaknesses were closed!"), TABLE)) != first


def test_a_process_of_its_own_draws_the_same_bytes():
    given = document(heading(), TABLE)

    assert render_pdf(given) == pdf_bytes(given)


def test_the_file_claims_the_archive_and_the_accessible_standard():
    data = plain(pdf_bytes(document(heading(), TABLE)))

    assert re.search(rb"<pdfaid:part>2</pdfaid:part>\s*<pdfaid:conformance>A</pdfaid:conformance>", data)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in data
    assert b"/MarkInfo" in data
    assert re.search(rb"/Lang ?\(en-GB\)", data)
    assert re.search(rb"/DisplayDocTitle true", data)


def test_headings_tables_and_figures_are_tagged():
    graph = {"type": "graph", "title": "", "alt": "Who needs whom: a needs b", "height": 90, "nodes": [], "edges": [], "heads": []}
    data = plain(pdf_bytes(document(heading(), TABLE, graph)))

    for tag in (b"/S/H1", b"/S/Table", b"/S/TH", b"/S/TD", b"/S/Figure"):
        assert tag in data.replace(b"/S /", b"/S/"), tag
    assert b"Who needs whom: a needs b" in data


def test_the_date_is_that_of_the_data():
    data = plain(pdf_bytes(document(heading())))

    assert b"2026-11-20" in data
    assert set(re.findall(rb"(?:CreateDate|ModifyDate)>(\d{4}-\d\d-\d\d)", data)) == {b"2026-11-20"}


def test_no_font_of_the_machine_is_asked():
    fonts = set(re.findall(rb"/BaseFont ?/[A-Z]{6}\+([A-Za-z]+)", plain(pdf_bytes(document(heading(), TABLE)))))

    assert fonts <= {b"LibertinusSerif", b"DejaVuSansMono"}
    assert fonts


def test_data_is_never_read_as_markup():
    spoilt = '#panic("x") $ [ *bold* @ref <label> \\ " #import "x" \u0007'

    assert pdf_bytes(document(heading(spoilt), paragraph(spoilt), title=spoilt)).startswith(b"%PDF-1.7")


def test_a_name_in_another_script_is_shown_by_its_code_points():
    assert legible("srv-\u4e2d\u6587 \u202eabc\ttab\nline") == "srv-[U+4E2D][U+6587] [U+202E]abc tab\nline"
    assert pdf_bytes(document(paragraph("srv-\u4e2d\u6587 \U0001f600 \ue000"))).startswith(b"%PDF-")


def test_every_character_that_passes_can_be_drawn():
    signs = [chr(code) for first, last in DRAWN for code in range(first, last + 1)]

    assert pdf_bytes(document(paragraph(" ".join(signs)))).startswith(b"%PDF-")
    assert legible("".join(signs)) == "".join(signs)


def test_the_renderer_would_refuse_what_is_filtered_out(monkeypatch):
    monkeypatch.setattr("mainstay.ui.documents.pdf.legible", lambda text: text)

    with pytest.raises(typst.TypstError):
        pdf_bytes(document(paragraph("\u4e2d")))


def test_a_document_of_another_shape_is_no_pdf():
    with pytest.raises(Unavailable) as refused:
        render_pdf(document({"type": "poem"}))

    assert refused.value.code == "documents.not_drawn"


def test_references_become_addresses_where_there_are_any():
    blocks = [{"text": "Root", "ref": "f:NET-04"}, {"text": "Other", "ref": "f:none"}]

    shown = linked(blocks, lambda ref: "/findings/1/" if ref == "f:NET-04" else "")

    assert shown == [{"text": "Root", "ref": "f:NET-04", "url": "/findings/1/"}, {"text": "Other", "ref": "f:none"}]
