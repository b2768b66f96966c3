"""What a bot says about itself: name, descriptions, command list, menu button; each in several languages."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.keyboards import check_web_app

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
MOST_COMMANDS = 100
LONGEST_COMMAND_TEXT = 256
# The member of the answer, and the greatest length in characters.
TEXTS = {"name": 64, "description": 512, "short_description": 120}


async def set_my_commands(cloud: Cloud, call: Call) -> bool:
    commands = call.parsed("commands")
    if not isinstance(commands, list):
        raise bad("can't parse commands: expected an Array of BotCommand")
    if len(commands) > MOST_COMMANDS:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    kept = [_command(one) for one in commands]
    call.bot["commands"][_shelf(call)] = kept
    cloud.world.save_bot(call.bot)
    return True


def _command(one: Any) -> dict[str, str]:
    name = str(one.get("command", "")).removeprefix("/") if isinstance(one, dict) else ""
    text = str(one.get("description", "")) if isinstance(one, dict) else ""
    if not COMMAND.fullmatch(name):
        raise bad("BOT_COMMAND_INVALID")
    if not 1 <= len(text) <= LONGEST_COMMAND_TEXT:
        raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": name, "description": text}


async def get_my_commands(_: Cloud, call: Call) -> list[dict[str, str]]:
    return list(call.bot["commands"].get(_shelf(call), []))


async def delete_my_commands(cloud: Cloud, call: Call) -> bool:
    call.bot["commands"].pop(_shelf(call), None)
    cloud.world.save_bot(call.bot)
    return True


def _shelf(call: Call) -> str:
    scope = call.object("scope")
    return f"{scope.get('type', 'default')}:{scope.get('chat_id', '')}:{call.text('language_code')}"


def commands_for(bot: Document, user_id: int, language: str) -> list[dict[str, str]]:
    """The list this person sees: the narrowest scope first, in it the own language before the common one."""
    for scope in (f"chat:{user_id}", "all_private_chats:", "default:"):
        for code in (language, ""):
            found: list[dict[str, str]] = bot["commands"].get(f"{scope}:{code}", [])
            if found:
                return found
    return []


def text_for(bot: Document, kind: str, language: str) -> str:
    texts = bot["texts"].get(kind, {})
    return str(texts.get(language) or texts.get("") or "")


def _set_text(kind: str) -> Callable[[Cloud, Call], Awaitable[bool]]:
    async def change(cloud: Cloud, call: Call) -> bool:
        text = call.text(kind)
        if len(text) > TEXTS[kind]:
            raise bad(f"BOT_{kind.upper()}_TOO_LONG")
        call.bot["texts"].setdefault(kind, {})[call.text("language_code")] = text
        if kind == "name" and text and not call.text("language_code"):
            call.bot["first_name"] = text
        cloud.world.save_bot(call.bot)
        return True

    return change


def _get_text(kind: str) -> Callable[[Cloud, Call], Awaitable[dict[str, str]]]:
    async def answer(_: Cloud, call: Call) -> dict[str, str]:
        text = text_for(call.bot, kind, call.text("language_code"))
        return {kind: text or (call.bot["first_name"] if kind == "name" else "")}

    return answer


async def set_chat_menu_button(cloud: Cloud, call: Call) -> bool:
    button = call.object("menu_button") or {"type": "default"}
    if button.get("type") not in ("commands", "web_app", "default"):
        raise bad("can't parse menu button: unsupported type")
    if button["type"] == "web_app":
        check_web_app(button.get("web_app"), cloud.local_http)
    call.bot["menus"][call.text("chat_id")] = button
    cloud.world.save_bot(call.bot)
    return True


async def get_chat_menu_button(_: Cloud, call: Call) -> dict[str, Any]:
    return menu_for(call.bot, call.text("chat_id"))


def menu_for(bot: Document, chat_id: str) -> dict[str, Any]:
    """The chat's own button before the bot's; without either, the command list when there is one."""
    button: dict[str, Any] = bot["menus"].get(chat_id) or bot["menus"].get("") or {"type": "default"}
    return {"type": "commands"} if button["type"] == "default" and bot["commands"] else button


METHODS: dict[str, Any] = {
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyName": _set_text("name"),
    "getMyName": _get_text("name"),
    "setMyDescription": _set_text("description"),
    "getMyDescription": _get_text("description"),
    "setMyShortDescription": _set_text("short_description"),
    "getMyShortDescription": _get_text("short_description"),
    "setChatMenuButton": set_chat_menu_button,
    "getChatMenuButton": get_chat_menu_button,
}
