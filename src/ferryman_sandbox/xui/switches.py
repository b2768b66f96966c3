"""What a tester may change about a running panel. Kept over a restart, except what counts itself down."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from ferryman_sandbox.xui.versions import parse_version

ACTIONS = ("expire_sessions",)
SIGNED = ("clock_skew",)
COUNTED = ("drop_after_commit", "locked_db", "html_200")


@dataclass
class Switches:
    """
    version:            upgrade (or downgrade) in place; every version rule follows at once
    tick_seconds:       pause of the traffic job when the panel ticks by itself (0 = the version's own)
    clock_skew:         seconds by which the panel's clock is ahead of the world's, behind when negative
    latency_ms:         added to every call of the panel, not to the control routes
    drop_after_commit:  the next n successful mutations take effect, then the connection is cut
    locked_db:          the next n mutations are refused with `database is locked`
    html_200:           the next n API calls get a reverse proxy's HTML page with status 200
    xray_down:          the core is dead: nothing ticks, changes wait until it is back
    race:               in 2.x and 3.0 overlapping changes of one inbound lose each other, as they do there
    node_offline:       inbounds with a `nodeId` are on a node that cannot be reached
    simulate:           bytes per second that every loaded client without a rate of its own uses (0 = none)
    lang:               forces the messages' language ("ru", "en", "" = as asked)
    sub_uri:            the subscription prefix that `defaultSettings` reports ("" = this host, port 2096)
    two_factor_secret:  base32 secret; when set, a login needs the current six digits (2.6.0 and later)
    login_secret:       a second password that a login must bring (before 2.6.0)
    expire_sessions:    (action) every cookie session ends now
    """

    version: str = "3.6.0"
    tick_seconds: float = 0.0
    clock_skew: float = 0.0
    latency_ms: float = 0.0
    drop_after_commit: int = 0
    locked_db: int = 0
    html_200: int = 0
    xray_down: bool = False
    race: bool = False
    node_offline: bool = False
    simulate: int = 0
    lang: str = ""
    sub_uri: str = ""
    two_factor_secret: str = ""
    login_secret: str = ""

    def change(self, wanted: dict[str, Any]) -> None:
        """Raises ValueError naming the switch that does not exist or cannot take the value."""
        known = {one.name: one for one in fields(self)}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"no switch {name!r}; there are {', '.join((*known, *ACTIONS))}")
            default = known[name].default
            if not _fits(value, default, signed=name in SIGNED):
                raise ValueError(f"switch {name!r} takes a {type(default).__name__}, not {value!r}")
        if "version" in wanted:
            parse_version(wanted["version"])
        for name, value in wanted.items():
            setattr(self, name, value)

    def take(self, name: str) -> bool:
        """Use one of a counted switch; False when none is left."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return bool(left > 0)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _fits(value: Any, default: Any, *, signed: bool) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and (signed or value >= 0)
    if isinstance(default, int):
        return isinstance(value, int) and value >= 0
    return isinstance(value, str)
