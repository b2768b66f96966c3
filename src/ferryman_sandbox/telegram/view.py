"""A chat as its person sees it."""

from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.methods.profile import commands_for, menu_for, text_for

TOASTS_SHOWN = 20


def chat_view(cloud: Cloud, chat: Document, base: str = "") -> dict[str, Any]:
    """JSON for the page and for tests. `base` goes before the addresses of photos and documents.

    `messages` are the bot's own shapes plus `from_bot`, `photo_url`, `document_url`, `edited`; deleted ones are absent.
    """
    world = cloud.world
    person, bot = world.person(chat["user"]), world.bot(chat["bot"])
    language = person.get("language_code", "")
    return {
        "now": world.now(),
        "revision": chat["revision"],
        "started": chat["started"],
        "blocked": chat["blocked"],
        "typing": chat["typing_until"] > world.now(),
        "typing_seconds": max(0.0, chat["typing_until"] - world.now()),
        "user": person,
        "bot": {
            "id": bot["id"],
            "username": bot["username"],
            "name": text_for(bot, "name", language) or bot["first_name"],
            "description": text_for(bot, "description", language),
            "short_description": text_for(bot, "short_description", language),
            "commands": commands_for(bot, chat["user"], language),
            "menu": menu_for(bot, str(chat["user"])),
        },
        "messages": [_shown(message, base) for message in world.messages(chat)],
        "reply_keyboard": chat["reply_keyboard"],
        "toasts": world.toasts(chat)[-TOASTS_SHOWN:],
        "pending": [press for press in world.presses(chat) if world.now() - press["at"] <= cloud.answer_seconds],
    }


def _shown(message: Document, base: str) -> dict[str, Any]:
    shown = {**message, "from_bot": message["from"]["is_bot"], "edited": "edit_date" in message}
    if "photo" in message:
        shown["photo_url"] = f"{base}/__emu/files/{message['photo'][-1]['file_id']}"
    if "document" in message:
        shown["document_url"] = f"{base}/__emu/files/{message['document']['file_id']}"
    return shown
