"""What a bot says about itself, and memberships in channels."""

from typing import Any

import pytest

from tests.sandbox.telegram.phone import Phone

COMMANDS = [{"command": "start", "description": "Menu"}, {"command": "help", "description": "Help"}]
CHANNEL = {
    "id": -1001,
    "title": "News",
    "username": "shop_news",
    "members": {"1001": {"status": "member"}, "1002": {"status": "kicked"}, "1003": {"status": "restricted"}},
}


async def test_commands_are_kept_by_scope_and_language(phone: Phone) -> None:
    russian = [{"command": "start", "description": "Меню"}]
    await phone.ok("setMyCommands", commands=COMMANDS)
    await phone.ok("setMyCommands", commands=russian, language_code="ru")
    assert await phone.ok("getMyCommands") == COMMANDS
    assert await phone.ok("getMyCommands", language_code="ru") == russian
    user = await phone.started()
    assert (await phone.chat(user))["bot"]["commands"] == russian
    await phone.emu(f"users/{user}/language", {"language_code": "en"})
    assert (await phone.chat(user))["bot"]["commands"] == COMMANDS
    own = [{"command": "mine", "description": "Only for you"}]
    await phone.ok("setMyCommands", commands=own, scope={"type": "chat", "chat_id": user})
    assert (await phone.chat(user))["bot"]["commands"] == own
    await phone.ok("deleteMyCommands", scope={"type": "chat", "chat_id": user})
    assert (await phone.chat(user))["bot"]["commands"] == COMMANDS


@pytest.mark.parametrize(
    ("commands", "complaint"),
    [
        ([{"command": "Start", "description": "x"}], "BOT_COMMAND_INVALID"),
        ([{"command": "x" * 33, "description": "x"}], "BOT_COMMAND_INVALID"),
        (["start"], "BOT_COMMAND_INVALID"),
        ([{"command": "start", "description": ""}], "BOT_COMMAND_DESCRIPTION_INVALID"),
        ([{"command": "start", "description": "x" * 257}], "BOT_COMMAND_DESCRIPTION_INVALID"),
        (COMMANDS * 51, "BOT_COMMANDS_TOO_MUCH"),
        ({"command": "start"}, "can't parse commands: expected an Array of BotCommand"),
    ],
)
async def test_a_wrong_command_list_is_refused(phone: Phone, commands: Any, complaint: str) -> None:
    assert (await phone.api("setMyCommands", commands=commands))["description"] == f"Bad Request: {complaint}"


async def test_name_and_descriptions_speak_the_persons_language(phone: Phone) -> None:
    for language, name in (("", "Shop"), ("ru", "Лавка")):
        await phone.ok("setMyName", name=name, language_code=language)
        await phone.ok("setMyDescription", description=f"about {name}", language_code=language)
        await phone.ok("setMyShortDescription", short_description=f"in short {name}", language_code=language)
    seen = (await phone.chat(await phone.started()))["bot"]
    assert (seen["name"], seen["description"], seen["short_description"]) == (
        "Лавка",
        "about Лавка",
        "in short Лавка",
    )
    english = (await phone.chat(await phone.started(language_code="en")))["bot"]
    assert (english["name"], english["description"]) == ("Shop", "about Shop")
    assert (await phone.ok("getMe"))["first_name"] == "Shop"
    assert await phone.ok("getMyName", language_code="ru") == {"name": "Лавка"}
    assert await phone.ok("getMyDescription") == {"description": "about Shop"}
    assert await phone.ok("getMyShortDescription") == {"short_description": "in short Shop"}


@pytest.mark.parametrize(
    ("method", "field", "length"),
    [
        ("setMyName", "name", 64),
        ("setMyDescription", "description", 512),
        ("setMyShortDescription", "short_description", 120),
    ],
)
async def test_texts_about_the_bot_have_their_greatest_lengths(
    phone: Phone, method: str, field: str, length: int
) -> None:
    assert await phone.ok(method, **{field: "x" * length})
    assert (await phone.api(method, **{field: "x" * (length + 1)}))["error_code"] == 400


async def test_the_menu_button_is_the_chats_own_before_the_bots(phone: Phone) -> None:
    user = await phone.started()
    assert await phone.ok("getChatMenuButton", chat_id=user) == {"type": "default"}
    await phone.ok("setMyCommands", commands=COMMANDS)
    assert await phone.ok("getChatMenuButton", chat_id=user) == {"type": "commands"}
    shop = {"type": "web_app", "text": "Shop", "web_app": {"url": "https://shop.example/app"}}
    await phone.ok("setChatMenuButton", chat_id=user, menu_button=shop)
    assert await phone.ok("getChatMenuButton", chat_id=user) == shop
    assert (await phone.chat(user))["bot"]["menu"] == shop


async def test_a_wrong_menu_button_is_refused(phone: Phone) -> None:
    plain = {"type": "web_app", "text": "Shop", "web_app": {"url": "http://shop.example/app"}}
    assert "Only HTTPS links" in (await phone.api("setChatMenuButton", menu_button=plain))["description"]
    assert "unsupported type" in (await phone.api("setChatMenuButton", menu_button={"type": "x"}))["description"]


async def status(phone: Phone, user_id: int, chat_id: Any = -1001) -> Any:
    answer = await phone.api("getChatMember", chat_id=chat_id, user_id=user_id)
    return answer["result"]["status"] if answer["ok"] else answer["description"]


async def test_memberships_are_what_the_table_says(phone: Phone) -> None:
    users = [await phone.new_person(first_name=name) for name in ("Ann", "Bob", "Eve", "Zoe")]
    await phone.emu("channels", CHANNEL)
    assert [await status(phone, user, "@Shop_News") for user in users] == ["member", "kicked", "restricted", "left"]
    assert await status(phone, 123456) == "administrator"
    assert await status(phone, 99) == "Bad Request: PARTICIPANT_ID_INVALID"
    assert await status(phone, users[0], "@elsewhere") == "Bad Request: chat not found"
    assert (await phone.ok("getChat", chat_id=-1001))["title"] == "News"


@pytest.mark.parametrize(
    ("bot_status", "complaint"),
    [
        ("member", "Bad Request: member list is inaccessible"),
        ("left", "Forbidden: bot is not a member of the channel chat"),
        ("kicked", "Forbidden: bot was kicked from the channel chat"),
    ],
)
async def test_a_bot_without_rights_in_the_channel_learns_why(phone: Phone, bot_status: str, complaint: str) -> None:
    user = await phone.new_person()
    await phone.emu("channels", {**CHANNEL, "bot_status": bot_status})
    assert await status(phone, user) == complaint


@pytest.mark.parametrize(
    "wrong", [{"id": 5}, {"id": -5, "bot_status": "king"}, {"id": -5, "members": {"1": {}}}, [], {}]
)
async def test_a_wrong_channel_is_refused_with_what_to_give(phone: Phone, wrong: Any) -> None:
    assert "statuses one of creator" in await phone.refused("channels", wrong)


async def test_a_private_chat_can_be_looked_up(phone: Phone) -> None:
    user = await phone.started()
    assert (await phone.ok("getChat", chat_id=user))["first_name"] == "Ann"
    assert await status(phone, user, user) == "member"
