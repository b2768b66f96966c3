"""Which release of the panel can do what, and how its version is read."""

import re

Version = tuple[int, int, int]

OLDEST: Version = (3, 1, 0)
# A development build calls itself "dev+<commit>": it is taken for newer than every release.
NEWEST: Version = (999, 0, 0)
# Since then the panel itself leaves a flow out on inbounds that cannot carry one. Before, a flow on a Trojan inbound
# keeps the whole core from starting ("The feature Flow for Trojan has been removed"), and one on WebSocket locks the
# client out.
DROPS_UNFIT_FLOWS: Version = (3, 2, 5)
# Since then a client's `flow` in `clients/get` is that of any inbound that has one; before, that of whichever inbound
# was written last.
SHOWS_EFFECTIVE_FLOW: Version = (3, 3, 1)

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


def too_old(host: str, version: str) -> str:
    """The sentence for a panel of another generation; `version` "" = older than those that tell theirs."""
    return f"{host} runs 3X-UI {version or '3.0 or older'}: Ferryman needs 3.1 or newer, so update the panel."
