"""The command menu is set once, in every language, and again only when its texts change."""

import pytest

from ferryman.faces.bot import handlers, profile, stars
from ferryman.faces.bot.profile import introduce, menus
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable
from ferryman.messaging.telegram import Telegram
from tests.support.chat import Messenger, Person


async def test_commands_are_set_in_every_language_once(
    tools: Tools, telegram: Telegram, telegram_world: Messenger, anna: Person
) -> None:
    await introduce(tools, telegram)
    assert telegram_world.called("setMyCommands") == 3
    russian = await telegram.bot.get_my_commands(language_code="ru")
    assert [command.command for command in russian] == list(profile.COMMANDS)
    assert russian[0].description == "Главное меню"
    others = await telegram.bot.get_my_commands()
    assert others[0].description == "Main menu"
    await introduce(tools, telegram)
    assert telegram_world.called("setMyCommands") == 3


async def test_changed_texts_are_set_again(
    tools: Tools, telegram: Telegram, telegram_world: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await introduce(tools, telegram)
    monkeypatch.setattr(profile, "COMMANDS", ("start", "help"))
    await introduce(tools, telegram)
    assert telegram_world.called("setMyCommands") == 6


async def test_what_failed_half_way_is_done_again(tools: Tools, telegram: Telegram, telegram_world: Messenger) -> None:
    telegram_world.fault(mode="html", route="setMyCommands")
    with pytest.raises(Unreachable):
        await introduce(tools, telegram)
    await introduce(tools, telegram)
    assert telegram_world.called("setMyCommands") == 4


def test_every_command_in_the_menu_is_one_that_we_answer() -> None:
    assert set(profile.COMMANDS) == {*handlers.COMMANDS, *stars.COMMANDS}
    for commands in menus().values():
        assert all(1 <= len(text) <= 256 for text in commands.values())
