"""What the panel's failure texts mean.

A failure is HTTP 200 with `success: false` and a localised prefix; the part in brackets is English in every language
and may end with a newline. So meanings are found by lower-cased substring of that part, never by the whole text.
"""

import re

from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, NotFound, Refused

LONGEST_QUOTE = 200

_IN_BRACKETS = re.compile(r"\((.*)\)\s*$", re.DOTALL)

_BUSY = (
    "database is locked",
    "traffic writer",
    # 3.1 in the database's own words: two of its writes met, or a client was attached twice.
    "unique constraint failed",
)
_CONFLICT = (
    "duplicate email",
    "email already in use",
    "duplicate subid",
    "subid already in use",
)
_NOT_FOUND = (
    "record not found",
    "not found in any inbound",
    "inbound not found for email",
    "client not found",
    # 2.x and 3.0, deleting by name.
    "client with email",
)
_SCOPE = ("not permitted",)
_LAST = ("no client remained",)


class LastClient(Refused):
    """2.x and 3.0 do not let the last client of an inbound go."""


def bracket(message: str) -> str:
    """The English part of a failure text: what stands in its last brackets, or all of it when there are none."""
    found = _IN_BRACKETS.search(message)
    return " ".join((found[1] if found else message).split())


def failure(host: str, what: str, message: str) -> FerrymanError:
    """The error for a `success: false`; `what` is the route that said so."""
    text = bracket(message)[:LONGEST_QUOTE] or "no reason given"
    low = text.lower()
    if any(mark in low for mark in _BUSY):
        return Busy(f"{host} cannot write just now ({text}).")
    if any(mark in low for mark in _CONFLICT):
        return Conflict(f"{host} refused {what}: {text}.")
    if any(mark in low for mark in _NOT_FOUND):
        return NotFound(f"{host} does not know what {what} asked for: {text}.")
    if any(mark in low for mark in _LAST):
        return LastClient(f"{host} refused {what}: {text}.")
    if any(mark in low for mark in _SCOPE):
        return scope_too_narrow(host, what)
    return Refused(f"{host} refused {what}: {text}.")


def scope_too_narrow(host: str, what: str) -> AccessDenied:
    return AccessDenied(f"{host} does not let this API token use {what}: create one with the scope `admin`.")
