"""CSV: a spreadsheet shows what stands in it, and works nothing out."""

import csv
import io

import pytest

from ferryman.kit.csv_text import cell, written


@pytest.mark.parametrize("text", ["=1+1", "+49", "-cmd", "@SUM(A1)", "\tx", "\r=1", "=HYPERLINK(1)", "-1+2", "--1"])
def test_what_could_be_a_formula_is_made_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["199.00", "-5.00", "-7", "order-1", "", "Ä, б", 'say "hi"'])
def test_numbers_and_plain_words_stay_as_they_are(value: str) -> None:
    assert cell(value) == value


def test_nothing_is_an_empty_cell() -> None:
    assert cell(None) == ""
    assert cell(12) == "12"


def test_a_table_is_read_back_as_it_was_written() -> None:
    rows = [["a,b", 'c"d', "e\nf"], ["Привет", "⛵", "-1.50"]]
    text = written(["one", "two", "three"], rows)
    assert text.startswith("\ufeff")
    assert list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))) == [["one", "two", "three"], *rows]
