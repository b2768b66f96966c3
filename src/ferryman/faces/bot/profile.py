"""The command menu that Telegram shows beside the typing box, set only when its texts have changed."""

import hashlib
import json

from sqlalchemy.dialects.postgresql import insert

from ferryman.faces.bot.tables import BotProfile
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.messaging.telegram import Telegram
from ferryman.messaging.texts import FALLBACK, LANGUAGE_NAMES, voice

_log = log.get("bot")

COMMANDS = ("start", "buy", "subs", "help", "language", "paysupport", "terms")


def menus() -> dict[str, dict[str, str]]:
    """Command → description, by language; "" is for clients in any other language."""
    by_language = {
        language: {name: voice(language).plain(f"command-{name}") for name in COMMANDS} for language in LANGUAGE_NAMES
    }
    return {"": by_language[FALLBACK], **by_language}


async def introduce(tools: Tools, telegram: Telegram) -> None:
    """Raises what the calls raise; what was not finished is done again next time."""
    wanted = menus()
    fingerprint = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    async with tools.db.unit() as session:
        known = await session.get(BotProfile, telegram.bot.id)
    if known is not None and known.fingerprint == fingerprint:
        return
    for language, commands in wanted.items():
        await telegram.set_commands(commands, language or None)
    row = insert(BotProfile).values(bot_id=telegram.bot.id, fingerprint=fingerprint)
    async with tools.db.unit() as session:
        await session.execute(row.on_conflict_do_update(index_elements=["bot_id"], set_={"fingerprint": fingerprint}))
    _log.info("commands_set")
