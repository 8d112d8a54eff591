"""The table of one's scans: what somebody typed stays text, whichever spreadsheet opens it."""

import csv
import io

import pytest

from bot.chat.languages import load_language
from bot.scan.table import as_table, not_a_formula
from tests.unit.bot.scans import a_scan

TEXTS = load_language().texts
SIGNS = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}", "\N{FULLWIDTH COMMERCIAL AT}")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "x{}", "x{} ", "x{}' ", 'x{}"', "{}", "{}{}"])
def test_no_cell_begins_as_a_formula_wherever_cells_end(separator: str, before: str) -> None:
    for sign in SIGNS:
        label = f"{before.format(separator, separator)}{sign}HYPERLINK(A1){separator}y"
        table = as_table([a_scan(patient_label=label)], TEXTS).decode("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(table), delimiter=separator) for cell in row]
        assert len(cells) > 10 or separator != ","
        assert not [cell for cell in cells if cell.lstrip(" \"'").startswith(SIGNS) and not cell.startswith("'")]


@pytest.mark.parametrize("label", ["T1 - left", "2024-05-01", "a@b.example", "x; y", "C++", "1=1"])
def test_a_plain_label_is_left_as_it_was_typed(label: str) -> None:
    assert not_a_formula(label) == label
