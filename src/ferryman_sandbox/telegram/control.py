"""The experimenter's side: duplicated updates, sending limits, channels, more bots, and a look behind the scenes."""

from collections import deque
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.webhook import WebhookSender

MEMBERSHIPS = ("creator", "administrator", "member", "restricted", "left", "kicked")


class Control:
    def __init__(self, cloud: Cloud, sender: WebhookSender, unknown_methods: deque[dict[str, Any]]) -> None:
        self._cloud = cloud
        self._sender = sender
        self._unknown_methods = unknown_methods

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/__emu/unknown-methods", self._unknown)
        router.add_get("/__emu/updates", self._updates)
        router.add_post("/__emu/updates", self._duplicate)
        router.add_get("/__emu/webhook-attempts", self._attempts)
        router.add_get("/__emu/limits", self._limits)
        router.add_post("/__emu/limits", self._switch_limits)
        router.add_get("/__emu/bots", self._bots)
        router.add_post("/__emu/bots", self._new_bot)
        router.add_post("/__emu/channels", self._channel)

    async def _unknown(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._unknown_methods))

    async def _updates(self, _: web.Request) -> web.Response:
        pending = [
            {"bot": bot["id"], "attempts": update["attempts"], "next_at": update["next_at"], **update["update"]}
            for bot in self._cloud.world.bots()
            for update in self._cloud.updates.pending(bot["id"])
        ]
        updates = self._cloud.updates
        state = {"duplicate": updates.duplicates_left, "polling": updates.polling(), "pending": pending}
        return web.json_response(state)

    async def _duplicate(self, request: web.Request) -> web.Response:
        """{"duplicate": n}: each of the next n updates reaches the bot twice under one id."""
        body = await read_json(request)
        count = body.get("duplicate") if isinstance(body, dict) else None
        if not isinstance(count, int) or count < 0:
            raise bad_request('updates: give {"duplicate": how many of the next updates arrive twice}')
        self._cloud.updates.duplicates_left = count
        return web.json_response({"duplicate": count})

    async def _attempts(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._sender.attempts))

    async def _limits(self, _: web.Request) -> web.Response:
        return web.json_response({"mode": self._cloud.limits.mode, "noted": self._cloud.limits.noted})

    async def _switch_limits(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        try:
            self._cloud.limits.switch(str(body.get("mode", "")))
        except (AttributeError, ValueError) as error:
            raise bad_request(f'limits: give {{"mode": …}} ({error})') from error
        return web.json_response({"mode": self._cloud.limits.mode})

    async def _bots(self, _: web.Request) -> web.Response:
        names = ("id", "first_name", "username")
        return web.json_response([{name: bot[name] for name in names} for bot in self._cloud.world.bots()])

    async def _new_bot(self, request: web.Request) -> web.Response:
        """{"token", "first_name"?, "username"?}: one more bot, or another name for one that is there."""
        body = await read_json(request)
        try:
            bot = self._cloud.world.ensure_bot(str(body["token"]))
        except (KeyError, TypeError, ValueError) as error:
            raise bad_request(f'bots: give {{"token": "123456:letters-digits"}} ({error})') from error
        bot |= {name: str(body[name]) for name in ("first_name", "username") if body.get(name)}
        self._cloud.world.save_bot(bot)
        return web.json_response({name: bot[name] for name in ("id", "first_name", "username")})

    async def _channel(self, request: web.Request) -> web.Response:
        """{"id": -100…, "title"?, "username"?, "bot_status"?, "members": {"1001": {"status": "member"}}}."""
        body = await read_json(request)
        try:
            channel = _channel_from(body)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise bad_request(f"channels: id must be negative, statuses one of {', '.join(MEMBERSHIPS)}") from error
        self._cloud.world.store.put("channel", channel["id"], channel)
        return web.json_response(channel)


def _channel_from(body: Document) -> Document:
    channel: Document = {
        "id": int(body["id"]),
        "type": "channel",
        "title": str(body.get("title", "Channel")),
        "username": str(body.get("username", "")),
        "bot_status": str(body.get("bot_status", "administrator")),
        "members": {str(user): dict(membership) for user, membership in body.get("members", {}).items()},
    }
    statuses = [channel["bot_status"], *(membership["status"] for membership in channel["members"].values())]
    if channel["id"] >= 0 or not all(status in MEMBERSHIPS for status in statuses):
        raise ValueError("not a channel")
    return channel
