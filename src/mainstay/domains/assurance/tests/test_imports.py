"""Systems from a CSV: every bad row says its line, its column and why, and one bad row keeps all of them out of a confirmation."""

import pytest

from mainstay.domains.assurance.rules.imports import ROWS_MAX, Fault, read_systems

HEADER = "name,kind,owner,data_class,tier,tools,monitoring,yearly_cost\r\n"
GOOD = HEADER + "Billing,saas,Clara,regulated,1,backup:restic;backup:borg,possible,120000\r\n"


def test_a_good_row_becomes_a_system():
    preview = read_systems(GOOD)

    assert preview.faults == ()
    (row,) = preview.rows
    assert (row.name, row.tier, row.data_class, row.exposure, row.yearly_cost) == ("Billing", 1, "regulated", "internal", 120_000)
    assert (row.tools, row.cells) == ({"backup": ("restic", "borg")}, {"monitoring": "possible"})


def test_a_byte_order_mark_and_capitals_in_the_header_are_taken():
    assert len(read_systems("\ufeffName,Owner\nBilling,Clara\n").rows) == 1


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",saas,,,,,,", Fault(2, "name", "A name has 1 to 120 characters.")),
        ("A,,,secret,,,,", Fault(2, "data_class", "'secret' is not one of regulated, confidential, other.")),
        ("A,,,,5,,,", Fault(2, "tier", "A tier is 1, 2, 3 or 4.")),
        ("A,,,,,restic,,", Fault(2, "tools", "Tools are written function:name, separated by semicolons.")),
        ("A,,,,,,yes,", Fault(2, "monitoring", "'yes' is not one of connected, possible, not_possible, not_needed, unknown.")),
        ("A,,,,,,,12.50", Fault(2, "yearly_cost", "A cost is a whole number of minor units (cents).")),
        ("A,,,,,,,,more", Fault(2, "", "The row has more fields than the header.")),
    ],
)
def test_a_bad_row_says_where_and_why(line: str, fault: Fault):
    preview = read_systems(GOOD.partition("\r\n")[0] + "\r\n" + line + "\r\n")

    assert preview.faults == (fault,)
    assert preview.rows == ()


def test_a_name_that_stands_twice_is_refused_with_the_line_of_the_first():
    assert read_systems("name\nBilling\nbilling\n").faults == (Fault(3, "name", "The name stands in line 2 already."),)


def test_an_unknown_column_is_not_guessed():
    (fault,) = read_systems("name,colour\nA,red\n").faults

    assert (fault.line, fault.column) == (1, "colour")


def test_a_file_without_names_broken_quotes_and_too_many_rows_are_refused():
    assert read_systems("owner\nClara\n").faults == (Fault(1, "name", "The column is missing."),)
    assert read_systems('name\n"A\n').faults[0].reason.startswith("This is not CSV")
    assert "At most" in read_systems("name\n" + "\n".join(f"s{n}" for n in range(ROWS_MAX + 1))).faults[0].reason


def test_the_digest_names_exactly_this_text():
    assert read_systems(GOOD).digest != read_systems(GOOD + "B,,,,,,,\r\n").digest
