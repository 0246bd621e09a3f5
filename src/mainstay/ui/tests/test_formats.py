"""Numbers in words."""

import pytest

from mainstay.ui import formats


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "250 ms"), (45, "45 s"), (3600, "1 h"), (273_600, "3 d 4 h"), (86_405, "1 d"), (-90, "−1 min 30 s")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 1024**4, "3 TiB")])
def test_a_size_is_in_binary_units(value: float, text: str) -> None:
    assert formats.size(value) == text


def test_a_state_is_colour_icon_and_word_and_the_word_is_escaped() -> None:
    html = formats.pill("critical", "<Offline>")

    assert "ms-tone-critical" in html
    assert "#alert-circle" in html
    assert "&lt;Offline&gt;" in html


def test_an_unknown_tone_is_neutral() -> None:
    assert "ms-tone-neutral" in formats.pill("pink", "x")
