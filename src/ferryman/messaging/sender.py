"""The port to the messenger: what a message is made of, and how sending one can end. Knows no messenger library."""

from dataclasses import dataclass
from typing import Protocol

from ferryman.kit.errors import Refused

LONGEST_COPY = 256


@dataclass(frozen=True)
class Button:
    """A label and exactly one action.

    `data` comes back to the bot when pressed (1–64 bytes), `url` opens an address, `copy` puts 1–256 characters into
    the clipboard. Raises ValueError for none, two, or one that Telegram would refuse.
    """

    text: str
    data: str | None = None
    url: str | None = None
    copy: str | None = None

    def __post_init__(self) -> None:
        if sum(action is not None for action in (self.data, self.url, self.copy)) != 1:
            raise ValueError(f"the button {self.text!r} needs exactly one action")
        if not self.text:
            raise ValueError("a button needs a text")
        if self.data is not None and not 1 <= len(self.data.encode()) <= 64:
            raise ValueError(f"callback data must have 1 to 64 bytes: {self.data[:80]!r}")
        if self.copy is not None and not 1 <= len(self.copy) <= LONGEST_COPY:
            raise ValueError(f"a copy button holds 1 to {LONGEST_COPY} characters, not {len(self.copy)}")


@dataclass(frozen=True)
class Keyboard:
    """Rows of buttons under a message."""

    rows: tuple[tuple[Button, ...], ...]


class Blocked(Refused):
    """The recipient cannot be written to: blocked the bot, deleted the account, or never pressed Start."""


class Sender(Protocol):
    """Sends in HTML as Telegram understands it; answers the message id.

    Errors of sending: Unreachable (no answer: it may or may not have been sent), Busy (certainly not sent, try
    again after `after` seconds), Blocked (this person cannot be reached), Refused (the message itself is wrong).
    """

    async def whoami(self) -> str:
        """The bot's name without @, by one read-only call. Raises AccessDenied when the token is not accepted."""
        ...

    async def send_text(self, chat_id: int, text: str, keyboard: Keyboard | None = None) -> int:
        """`text` has 1 to 4096 characters once its markup is taken away."""
        ...

    async def send_photo(self, chat_id: int, png: bytes, caption: str, keyboard: Keyboard | None = None) -> int:
        """`caption` has at most 1024 characters once its markup is taken away."""
        ...
