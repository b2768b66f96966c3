"""A sender that keeps what it is given. The real one (over Telegram) is proven in tests/messaging and end to end."""

from dataclasses import dataclass, field

from ferryman.messaging.sender import Keyboard


@dataclass(frozen=True)
class Sent:
    chat_id: int
    text: str
    png: bytes | None = None
    keyboard: Keyboard | None = None


@dataclass
class Outbox:
    """`trouble` is raised instead of the next sends, one each."""

    sent: list[Sent] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)

    async def whoami(self) -> str:
        return "outbox_bot"

    async def send_text(self, chat_id: int, text: str, keyboard: Keyboard | None = None) -> int:
        return self._keep(Sent(chat_id, text, keyboard=keyboard))

    async def send_photo(self, chat_id: int, png: bytes, caption: str, keyboard: Keyboard | None = None) -> int:
        return self._keep(Sent(chat_id, caption, png, keyboard))

    def _keep(self, message: Sent) -> int:
        if self.trouble:
            raise self.trouble.pop(0)
        self.sent.append(message)
        return len(self.sent)
