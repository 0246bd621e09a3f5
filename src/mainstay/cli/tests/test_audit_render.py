"""A PDF beside the one that its report gives."""

import pytest

from mainstay.cli.audit_render import judge
from mainstay.domains.assurance.rules.document import compose
from mainstay.domains.assurance.tests.sample import report
from mainstay.kernel.errors import Conflict
from mainstay.ui.documents import pdf_bytes

MADE = pdf_bytes(compose(report(3), sha256="ab" * 32))


def test_the_same_bytes_are_the_pdf_of_the_audit():
    assert judge(MADE, MADE) == "The same bytes: this is the PDF of this audit."


def test_another_renderer_is_no_change(monkeypatch):
    monkeypatch.setattr("mainstay.ui.documents.pdf.TEMPLATE_VERSION", "2")

    assert judge(pdf_bytes(compose(report(3), sha256="ab" * 32)), MADE).startswith("The renderer differs: template 2, typst")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (MADE.replace(b"%%EOF", b"%%EO ", 1), "cli.pdf_changed"),
        (pdf_bytes(compose(report(3), sha256="cd" * 32)), "cli.pdf_of_another_report"),
        (b"%PDF-", "cli.pdf_of_another_report"),
    ],
)
def test_a_changed_pdf_and_one_of_another_report_are_refused(given, code):
    with pytest.raises(Conflict) as refused:
        judge(given, MADE)

    assert refused.value.code == code
