"""Which release of the panel can do what, and how its version is read."""

import re

Version = tuple[int, int, int]

# A development build calls itself "dev+<commit>": it is taken for newer than every release.
NEWEST: Version = (999, 0, 0)
# What a panel is taken for that does not tell: the oldest of its kind.
OLDEST: Version = (2, 3, 0)
OLDEST_WITH_API_STATUS: Version = (2, 7, 0)
OLDEST_WITH_TOKENS: Version = (3, 0, 0)
# Since then a client is a record of its own, with routes of its own.
HAS_RECORDS: Version = (3, 1, 0)

# `updateClientTraffic`: counters can be set.
SETS_COUNTERS: Version = (2, 6, 3)
# `delClientByEmail`: an entry can be deleted whose key another client has too.
DELETES_BY_NAME: Version = (2, 8, 0)
# Clients are made and deleted many at a time.
HAS_BULK: Version = (3, 2, 0)
# Since then the panel itself leaves a flow out on inbounds that cannot carry one. Before, a flow on a Trojan inbound
# keeps the whole core from starting ("The feature Flow for Trojan has been removed"), and one on WebSocket locks the
# client out.
DROPS_UNFIT_FLOWS: Version = (3, 2, 5)
# Since then every write goes through one writer. Before, two at a time may undo each other's attachments: seen on
# 3.1.0, where a deleted client came back.
WRITES_IN_TURN: Version = (3, 4, 0)
# Since then a client's `flow` in `clients/get` is that of any inbound that has one; before, that of whichever inbound
# was written last.
SHOWS_EFFECTIVE_FLOW: Version = (3, 3, 1)
# Since then an add of a client that is there already is skipped; from 3.2 to then it left a second entry.
SKIPS_REPEATED_ADDS: Version = (3, 5, 0)

_RELEASE = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?")
# The login page of 2.x names the version behind its assets, as in `vue.min.js?2.8.11`.
_IN_LOGIN_PAGE = re.compile(rb"\?(2\.\d+\.\d+)\b")


def parse(text: str) -> Version:
    """The release in "3.6.0" or "v3.6.0-rc1"; anything that is not numbered counts as the newest."""
    found = _RELEASE.match(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else NEWEST


def in_login_page(page: bytes) -> str:
    """The 2.x version that a login page betrays, "" when it shows none."""
    found = _IN_LOGIN_PAGE.search(page)
    return found[1].decode() if found else ""
