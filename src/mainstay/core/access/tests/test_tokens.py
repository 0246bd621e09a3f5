"""Token texts."""

from mainstay.core.access import tokens


def test_a_token_is_spelt_as_the_specification_says():
    assert tokens.spell("A" * 10, "B" * 43) == f"mst1_AAAAAAAAAA_{'B' * 43}_43a7220e"


def test_a_spelt_token_is_read_back():
    read = tokens.read(tokens.spell("abcDEF1234", "s" * 43))

    assert read == tokens.TokenText("abcDEF1234", "s" * 43)


def test_one_mistyped_character_is_no_token():
    text = tokens.spell("abcDEF1234", "s" * 43)
    broken = [text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :] for place in range(len(text))]

    assert [one for one in broken if tokens.read(one) is not None] == []


def test_what_surrounds_a_token_makes_it_none():
    text = tokens.spell("abcDEF1234", "s" * 43)

    assert [tokens.read(one) for one in ("", text + "\n", " " + text, text * 2)] == [None] * 4
