"""Who the bot is, whom it talks to, who belongs to a channel, and the files it has seen."""

from typing import Any

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad, forbidden
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.files import DOWNLOAD_LIMIT
from ferryman_sandbox.telegram.world import Unknown, as_user, bot_user

ADMIN_RIGHTS = (
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
)
MEMBER_RIGHTS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
NO_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


async def get_me(_: Cloud, call: Call) -> dict[str, Any]:
    return {
        **bot_user(call.bot),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_chat(cloud: Cloud, call: Call) -> dict[str, Any]:
    more = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": dict.fromkeys(NO_GIFTS, False)}
    if _is_channel(call):
        channel = _channel(cloud, call)
        _need_bot_inside(channel)
        return {**{name: channel[name] for name in ("id", "type", "title", "username") if channel.get(name)}, **more}
    return {**cloud.world.chat_json(cloud.chat_of(call)), **more}


async def get_chat_member(cloud: Cloud, call: Call) -> dict[str, Any]:
    if not _is_channel(call):
        chat = cloud.chat_of(call)
        return {"status": "member", "user": as_user(cloud.world.person(chat["user"]))}
    channel = _channel(cloud, call)
    _need_bot_inside(channel)
    user_id = call.integer("user_id", 0)
    if user_id == call.bot_id:
        return member_json(bot_user(call.bot), {"status": channel["bot_status"]})
    try:
        person = cloud.world.person(user_id)
    except Unknown:
        raise bad("PARTICIPANT_ID_INVALID") from None
    if channel["bot_status"] != "administrator":
        raise bad("member list is inaccessible")
    return member_json(as_user(person), channel["members"].get(str(user_id), {"status": "left"}))


def member_json(user: dict[str, Any], membership: Document) -> dict[str, Any]:
    """A ChatMember with every field its status requires."""
    member: dict[str, Any] = {"user": user, "status": membership["status"]}
    match membership["status"]:
        case "creator":
            member["is_anonymous"] = False
        case "administrator":
            member |= dict.fromkeys(ADMIN_RIGHTS, False) | {"can_manage_chat": True}
        case "restricted":
            inside = bool(membership.get("is_member", True))
            member |= dict.fromkeys(MEMBER_RIGHTS, False) | {"is_member": inside, "until_date": 0}
        case "kicked":
            member["until_date"] = 0
    return member


async def get_file(cloud: Cloud, call: Call) -> dict[str, Any]:
    record = cloud.files.record(call.bot_id, call.need("file_id", "invalid file_id"))
    if record["file_size"] > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return {name: record[name] for name in ("file_id", "file_unique_id", "file_size", "file_path")}


def _is_channel(call: Call) -> bool:
    return call.text("chat_id").startswith(("@", "-"))


def _channel(cloud: Cloud, call: Call) -> Document:
    named = call.text("chat_id")
    for number, channel in cloud.world.store.all("channel"):
        if named == number or named.removeprefix("@").lower() == channel.get("username", "").lower() != "":
            return channel
    raise bad("chat not found")


def _need_bot_inside(channel: Document) -> None:
    match channel["bot_status"]:
        case "left":
            raise forbidden("bot is not a member of the channel chat")
        case "kicked":
            raise forbidden("bot was kicked from the channel chat")


METHODS: dict[str, Any] = {
    "getMe": get_me,
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getFile": get_file,
}
