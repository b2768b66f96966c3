"""Tables as CSV that a spreadsheet opens without running anything that stands in them."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What a spreadsheet takes for the beginning of a formula.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def written(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as RFC 4180 has it, with a byte order mark, without which spreadsheets misread UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([cell(value) for value in row] for row in rows)
    return "\ufeff" + out.getvalue()


def cell(value: object) -> str:
    """A value as text; what could be a formula gets an apostrophe, so that it is shown and not worked out."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) and not _NUMBER.fullmatch(text) else text
