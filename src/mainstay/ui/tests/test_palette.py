"""What the palette looks for, and in which order it answers."""

import pytest

from mainstay.ui.palette import ALL, Found, narrowed, ranked


@pytest.mark.parametrize(
    ("typed", "words", "kinds"),
    [
        ("mail", "mail", ALL),
        ("", "", ALL),
        ("> verify", "verify", {"act"}),
        (">", "", {"act"}),
        ("#HAR-10", "HAR-10", {"ticket"}),
        ("@tara", "tara", {"person"}),
        ("/ledger", "ledger", {"page"}),
    ],
)
def test_a_first_character_narrows_what_is_looked_for(typed: str, words: str, kinds: set[str]) -> None:
    assert narrowed(typed) == (words, kinds)


def test_the_exact_name_comes_first_then_prefixes_then_words() -> None:
    titles = ["my-web", "webserver", "web", "cobweb"]

    assert [hit.title for hit in ranked("web", [Found(title, "device", f"/{title}") for title in titles])] == [
        "web",
        "webserver",
        "my-web",
        "cobweb",
    ]


def test_at_most_eight_of_a_kind_are_offered() -> None:
    hits = [Found(f"web{number}", "device", f"/{number}") for number in range(20)]

    assert len(ranked("web", [*hits, Found("web", "page", "/web")])) == 9
