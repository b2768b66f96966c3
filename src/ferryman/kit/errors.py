"""Everything that can go wrong, sorted by what to do next.

FerrymanError
├── Retry              ask again later; `after` seconds is a hint
│   ├── Unreachable    no answer came back: whether the call took effect is unknown
│   └── Busy           the other side answered that it is overloaded or mid-restart
├── Refused            asking again will not change the answer
│   ├── NotFound       the thing asked for does not exist over there
│   ├── Conflict       it exists, and differs from what we asked for
│   └── AccessDenied   the credentials are wrong, expired or too weak
└── Misconfigured      a person has to change a setting; `fix` says which and how
"""


class FerrymanError(Exception):
    """Something went wrong in a way that we have a name for. `str()` is a sentence without secrets."""


class Retry(FerrymanError):
    """Ask again later. `after` is a hint in seconds, None when the other side gave none."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Unreachable(Retry):
    """No usable answer: refused, reset, timed out, or cut off. The effect of the call is unknown."""


class Busy(Retry):
    """The other side is there and says: not now (429, 5xx, a locked database)."""


class Refused(FerrymanError):
    """The other side understood and said no; the same call will be refused again."""


class NotFound(Refused):
    """There is no such thing on the other side."""


class Conflict(Refused):
    """The thing exists already, with other contents than ours."""


class AccessDenied(Refused):
    """Wrong, expired or too weak credentials."""


class Misconfigured(FerrymanError):
    """A person must change something. `fix` is one sentence that says what."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"{why} {fix}")
        self.why = why
        self.fix = fix
