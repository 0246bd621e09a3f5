"""Every string goes through gettext, and the page turns around for those who read from the right."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.template.loader import render_to_string
from django.utils import translation
from tools import pseudo_locale

from mainstay.ui import navigation

# Parts whose texts still stand bare in their templates. The list may only become shorter.
NOT_YET = ("ui/templates/ui/document/",)  # reports: legal and technical texts stay in their source language for now
TEMPLATES = [path for path in pseudo_locale.templates() if not str(path.relative_to(pseudo_locale.SOURCE)).startswith(NOT_YET)]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(pseudo_locale.SOURCE)))
def test_no_template_has_a_bare_string(template: Path) -> None:
    assert pseudo_locale.bare(template.read_text(encoding="utf-8")) == []


def test_there_are_templates_and_strings_to_look_at() -> None:
    assert len(TEMPLATES) > 60
    assert len(pseudo_locale.messages(TEMPLATES)) > 300


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello there</p>", ["Hello there"]),
        ('<p>{% translate "Hello" %} {{ name }}</p>', []),
        ('<c-ms.card title="Facts" />', ['title="Facts"']),
        ("<button aria-label=\"Close\">{% ms_icon 'x' %}</button>", ['aria-label="Close"']),
        ("<p>{% blocktranslate %}{{ n }} of them{% endblocktranslate %}</p>", []),
        ("<p>{{ value }} and {{ other }}</p>", ["and"]),
        ('<p>{{ value|default:"Not known." }}</p>', ["Not known."]),
        ('<p>{{ value|default:_("Not known.") }}</p>', []),
        ("<code>mainstay up</code><p>Mainstay</p>", []),
        ('<p title="{% blocktranslate %}Of {{ x }}{% endblocktranslate %}">1</p>', []),
        ("{% comment %}nothing to see{% endcomment %}", []),
    ],
)
def test_a_bare_string_is_found_wherever_it_hides(source: str, found: list[str]) -> None:
    assert pseudo_locale.bare(source) == found


def test_a_pseudo_text_keeps_its_placeholders() -> None:
    assert pseudo_locale.pseudo("%(count)s of &gt; <b>") == "⟦%(count)s õf &gt; <b>·····⟧"


CONTEXT = {"problem": {"helps": []}, "shell": {"actor": {"label": "7"}, "person": {"name": "7"}, "zone": {"key": "7"}, "scope_name": "7"}}


@pytest.fixture
def pseudo(tmp_path: Path, settings: LazySettings, request: pytest.FixtureRequest) -> Iterator[None]:
    language = getattr(request, "param", "eo")
    words = [place.label for word in (*navigation.NINE, navigation.SETTINGS) for place in word.places]
    pseudo_locale.write(tmp_path, language, words)
    settings.LOCALE_PATHS = [str(tmp_path)]
    with translation.override(language):
        yield


class Texts(HTMLParser):
    """The texts that a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("kbd", "code", "script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("kbd", "code", "script", "style", "title")

    def handle_data(self, data: str) -> None:
        if not self.silent and re.search(r"[A-Za-z]{2}", data) and data.strip() not in pseudo_locale.SAME:
            self.found.append(data.strip())


def texts(page: str) -> list[str]:
    reader = Texts()
    reader.feed(page)
    return reader.found


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize(
    "template", ["ui/errors/403.html", "ui/errors/503.html", "ui/list/plan.html", "ui/parts/top.html", "access/hello.html"]
)
def test_a_page_in_another_language_has_no_english_left(template: str) -> None:
    page = render_to_string(template, CONTEXT)

    assert [text for text in texts(page) if pseudo_locale.OPEN not in text and pseudo_locale.CLOSE not in text] == []
    assert pseudo_locale.OPEN in page


@pytest.mark.parametrize("pseudo", ["ar"], indirect=True)
@pytest.mark.usefixtures("pseudo")
def test_a_language_from_the_right_turns_the_page_around() -> None:
    assert '<html lang="ar" dir="rtl"' in render_to_string("ui/errors/404.html", CONTEXT)


def test_no_style_knows_left_or_right() -> None:
    """Logical properties only; drawings and gradients have no reading direction."""
    physical = re.compile(
        r"(?<![\w-])(?:margin|padding|border)-(?:left|right)|(?<![\w-])(?:left|right)\s*:|text-align:\s*(?:left|right)|float:"
    )
    sheets = sorted((pseudo_locale.SOURCE / "ui" / "static" / "ms" / "css").glob("*.css"))

    assert [(sheet.name, physical.findall(sheet.read_text(encoding="utf-8"))) for sheet in sheets] == [(sheet.name, []) for sheet in sheets]
