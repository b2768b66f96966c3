"""Tables for a terminal of eighty columns, with flags and icons, which are two columns wide."""

import re
import unicodedata
from collections.abc import Sequence

WIDEST = 80
GAP = "  "
_VARIATION = "\ufe0f"
# A flag is two signs that mean nothing apart.
_SIGN = re.compile("[\U0001f1e6-\U0001f1ff]{2}|.", re.DOTALL)


def width(text: str) -> int:
    """Columns that a terminal needs: a flag is two regional indicators of one column each."""
    total = 0
    for sign in text:
        if sign == _VARIATION:
            # It turns the sign before it into a picture, two columns wide.
            total += 1
        elif not unicodedata.combining(sign) and sign != "\u200d":
            total += 2 if unicodedata.east_asian_width(sign) in "WF" else 1
    return total


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    kept = ""
    for sign in _SIGN.findall(text):
        if width(kept + sign) > columns - 1:
            break
        kept += sign
    return kept + "…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, squeeze: int = 1, numbers: str = "") -> list[str]:
    """Lines of at most eighty columns. The column `squeeze` gives way when there is too little room.

    `numbers` has a ">" for each column that is aligned to the right, and any other sign for the rest.
    """
    columns = [max(width(row[at]) for row in [head, *rows]) for at in range(len(head))]
    over = sum(columns) + len(GAP) * (len(columns) - 1) - WIDEST
    columns[squeeze] = max(columns[squeeze] - max(over, 0), 4)
    return [_line(row, columns, numbers).rstrip() for row in [head, *rows]]


def _line(row: Sequence[str], columns: Sequence[int], numbers: str) -> str:
    cells = []
    for at, text in enumerate(row):
        kept = cut(text, columns[at])
        space = " " * (columns[at] - width(kept))
        cells.append(space + kept if numbers[at : at + 1] == ">" else kept + space)
    return GAP.join(cells)


def harmless(text: str) -> str:
    """Somebody else's words, line by line; what a terminal would obey or hide is written out instead."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def ago(seconds: float) -> str:
    """How long ago, in the largest unit that says something: "5 s", "12 min", "3 h", "9 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
