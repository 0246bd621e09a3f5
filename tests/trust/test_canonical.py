"""One value, one spelling: the parser and the encoder never disagree."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay_trust import canonical
from mainstay_trust.errors import Rejected

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.INTEGER_MAX, canonical.INTEGER_MAX) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


@given(VALUES)
def test_what_is_encoded_is_read_back_and_is_canonical(value):
    data = canonical.encode(value, depth_max=40)

    assert canonical.parse_canonical(data, depth_max=40) == value
    assert json.loads(data) == value


@given(VALUES)
def test_any_spelling_of_a_value_has_one_canonical_form(value):
    spelled = json.dumps(value, indent=1, ensure_ascii=True).encode()

    assert canonical.encode(canonical.parse(spelled, depth_max=40), depth_max=40) == canonical.encode(value, depth_max=40)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_never_crash(data):
    with contextlib.suppress(Rejected):
        value = canonical.parse(data)
        assert canonical.parse(canonical.encode(value)) == value


def test_members_are_sorted_by_utf_16_as_rfc_8785_demands():
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}

    assert list(json.loads(canonical.encode(value))) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_strings_are_escaped_as_rfc_8785_demands():
    assert canonical.encode('\u20ac$\x0f\nA\'B"\\\\"/\x7f\u2028') == b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\xe2\x80\xa8"'


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b"1.0",
        b"1e2",
        b"NaN",
        b"Infinity",
        b"-0",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 100_000,
        rb'"\ud800"',
        rb'{"\udc00":1}',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1",
        b'"\x01"',
        b"[1,]",
        b"1 2",
        b"",
        b"[" * 17 + b"]" * 17,
        b"[" * 1_000_000,
        b"'a'",
    ],
    ids=range(21),
)
def test_ambiguous_or_dangerous_json_is_refused(data):
    with pytest.raises(Rejected, match="bad_json"):
        canonical.parse(data)


@pytest.mark.parametrize("value", [1.5, 2**53, {1: 2}, {"a": {3}}, "\ud800", b"bytes", object()], ids=range(7))
def test_values_without_a_canonical_form_are_refused(value):
    with pytest.raises(Rejected, match="bad_json"):
        canonical.encode(value)


@pytest.mark.parametrize("data", [b'{"b":1,"a":2}', b'{ "a":1}', rb'"\u0041"', b"[1, 2]", rb'"\/"'])
def test_a_second_spelling_is_refused_where_the_form_is_fixed(data):
    canonical.parse(data)
    with pytest.raises(Rejected, match="not in canonical form"):
        canonical.parse_canonical(data)
