"""Names of clients that stand for another one, or for nobody.

2.x knows a client by its email and wants it only once on a panel, so one on several inbounds has several: its own on
the first, and on inbound 7 its own with `~i7` behind it. They share uuid, password and subId. An inbound of 2.x and 3.0
cannot be left without any client, so the last one is replaced by nobody's: switched off, with a key that was thrown
away. Both kinds are still there after such a panel was updated.
"""

import re
import secrets

MARK = "~i"

_PART = re.compile(r"(?P<owner>.+)~i(?P<inbound>\d+)")
_NOBODY = re.compile(r"nobody-\d+-[0-9a-f]{8}")


def part_of(email: str, inbound: int) -> str:
    """The name of that client's further entry, on that inbound."""
    return f"{email}{MARK}{inbound}"


def owner_of(email: str, inbound: int | None = None) -> str:
    """Whose entry it is: the name before the mark when it has one, which then must be that inbound's (None = any)."""
    if MARK not in email:
        return email
    part = _PART.fullmatch(email)
    return part["owner"] if part and inbound in (None, int(part["inbound"])) else email


def nobody_on(inbound: int) -> str:
    return f"nobody-{inbound}-{secrets.token_hex(4)}"


def is_nobody(email: str) -> bool:
    return email.startswith("nobody-") and _NOBODY.fullmatch(email) is not None
