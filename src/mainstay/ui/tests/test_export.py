"""The file that a spreadsheet opens: nothing in it runs, nothing in it changes."""

import csv
import io

import pytest

from mainstay.ui.lists import Column, Kind
from mainstay.ui.lists.cells import as_csv, escape
from mainstay.ui.lists.export import csv_header, csv_text


class Row:
    pk = "id-1"

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("@me", "'@me"),
        ("\tx", "'\tx"),
        ("'=x", "''=x"),
        ("''=y", "'''=y"),
        ("-4 dB", "'-4 dB"),
        ("+49 30 1234", "'+49 30 1234"),
        ("'tis", "'tis"),
        ("plain", "plain"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_a_number_column_is_not_touched() -> None:
    assert as_csv(Column("level", "Level", Kind.NUMBER), Row(level=-4)) == "-4"


def test_a_text_column_with_a_negative_number_is_escaped() -> None:
    assert as_csv(Column("level", "Level"), Row(level="-4")) == "'-4"


@pytest.mark.parametrize(("value", "expected"), [(None, ""), (True, "true"), (False, "false")])
def test_nothing_known_is_empty_and_truth_is_a_word(value: object, expected: str) -> None:
    assert as_csv(Column("on", "On", Kind.BOOL), Row(on=value)) == expected


def test_keys_are_the_header_and_labels_are_for_people() -> None:
    columns = [Column("free_pct", "Free", Kind.NUMBER)]

    assert csv_header(columns) == ["id", "free_pct"]
    assert csv_header(columns, labels=True) == ["Id", "Free"]


def test_the_text_is_rfc_4180() -> None:
    text = csv_text([["a", 'say "no"'], ["b\nc", "d,e"]])

    assert text == 'a,"say ""no"""\r\n"b\nc","d,e"\r\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", 'say "no"'], ["b\nc", "d,e"]]
