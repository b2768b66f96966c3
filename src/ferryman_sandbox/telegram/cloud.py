"""Everything a method of the Bot API works with, and the checks that several of them share."""

from dataclasses import dataclass, field
from typing import Any

import ferryman_sandbox.telegram.answers as answers
import ferryman_sandbox.telegram.keyboards as keyboards
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad, forbidden
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.checkouts import Checkouts
from ferryman_sandbox.telegram.entities import Formatted, formatted
from ferryman_sandbox.telegram.files import Files
from ferryman_sandbox.telegram.limits import Limits
from ferryman_sandbox.telegram.stars import Stars
from ferryman_sandbox.telegram.updates import Updates
from ferryman_sandbox.telegram.world import Unknown, World

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024


@dataclass
class Cloud:
    """`local_http` lets buttons, Mini Apps and webhooks use plain http on this machine, which the real server refuses.

    `answer_seconds` is how long a press waits for its answer; the real number is not published.
    """

    world: World
    local_http: bool = True
    answer_seconds: float = 60.0
    updates: Updates = field(init=False)
    files: Files = field(init=False)
    limits: Limits = field(init=False)
    stars: Stars = field(init=False)
    checkouts: Checkouts = field(init=False)

    def __post_init__(self) -> None:
        self.updates = Updates(self.world)
        self.files = Files(self.world)
        self.limits = Limits(self.world.store)
        self.stars = Stars(self.world, self.updates)
        self.checkouts = Checkouts(self.world, self.updates, self.stars)

    def chat_of(self, call: Call, field_name: str = "chat_id") -> Document:
        """The private chat a method speaks of. Raises ApiError when there is none."""
        named = call.need(field_name, f"{field_name} is empty")
        try:
            person = self.world.person(int(named))
        except (ValueError, Unknown):
            raise bad("chat not found") from None
        return self.world.chat(call.bot_id, person["id"])

    def open_chat(self, call: Call) -> Document:
        """The chat, when this bot may write in it. Raises ApiError 403 when the person never came, left or is gone."""
        chat = self.chat_of(call)
        if self.world.person(chat["user"]).get("deactivated"):
            raise forbidden(answers.DEACTIVATED)
        if not chat["started"]:
            raise forbidden(answers.NO_ACCESS)
        if chat["blocked"]:
            raise forbidden(answers.BLOCKED)
        return chat

    def markup(self, call: Call) -> keyboards.Markup:
        return keyboards.checked(call.parsed("reply_markup"), self.local_http)

    def say(self, call: Call, chat: Document, content: dict[str, Any], markup: keyboards.Markup) -> Document:
        """Put the bot's message into the chat; the keyboard under the typing box belongs to the chat."""
        shared = _shared(call)
        if call.text("reply_parameters"):
            shared.update(self._reply(call, chat))
        self.limits.send(call.bot_id, chat["user"], self.world.now())
        chat["typing_until"] = 0.0
        if "inline_keyboard" in markup:
            shared["reply_markup"] = markup
        elif markup:
            chat["reply_keyboard"] = markup if "keyboard" in markup else {}
        return self.world.add_message(chat, {**content, **shared}, by_bot=True)

    def _reply(self, call: Call, chat: Document) -> dict[str, Any]:
        wanted = call.object("reply_parameters")
        try:
            message = self.world.message(chat, int(wanted.get("message_id", 0)))
        except (Unknown, TypeError, ValueError):
            if wanted.get("allow_sending_without_reply"):
                return {}
            raise bad("message to be replied not found") from None
        return {"reply_to_message": {name: value for name, value in message.items() if name != "reply_to_message"}}


def _shared(call: Call) -> dict[str, Any]:
    shared: dict[str, Any] = {}
    if call.flag("protect_content"):
        shared["has_protected_content"] = True
    if call.text("message_effect_id"):
        shared["effect_id"] = call.text("message_effect_id")
    if call.object("link_preview_options"):
        shared["link_preview_options"] = call.object("link_preview_options")
    return shared


def text_of(call: Call) -> dict[str, Any]:
    """`text` and its entities. Raises ApiError when it is empty, too long, or does not parse."""
    body = formatted(call.text("text"), call.text("parse_mode"), call.parsed("entities"))
    if not body.text:
        raise bad("message text is empty")
    if len(body.text) > TEXT_LIMIT:
        raise bad("message is too long")
    return _with_entities("text", "entities", body)


def caption_of(source: dict[str, Any]) -> dict[str, Any]:
    """`caption` and its entities, from a call's fields or a media object; nothing when there is no caption."""
    words, mode = str(source.get("caption") or ""), str(source.get("parse_mode") or "")
    body = formatted(words, mode, source.get("caption_entities"))
    if len(body.text) > CAPTION_LIMIT:
        raise bad("message caption is too long")
    return _with_entities("caption", "caption_entities", body) if body.text else {}


def caption_fields(call: Call) -> dict[str, Any]:
    """What `caption_of` reads, out of a call."""
    return {
        "caption": call.text("caption"),
        "parse_mode": call.text("parse_mode"),
        "caption_entities": call.parsed("caption_entities"),
    }


def _with_entities(name: str, entities_name: str, body: Formatted) -> dict[str, Any]:
    return {name: body.text, **({entities_name: body.entities} if body.entities else {})}
