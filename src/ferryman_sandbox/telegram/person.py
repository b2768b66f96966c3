"""The person's side over HTTP: routes under `/__emu/users/`, for the chat page and for tests.

Every deed takes an optional `bot` (its id; default: the first bot). Refusals are 400 with {"error": sentence}.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

import ferryman_sandbox.telegram.deeds as deeds
from ferryman_sandbox.emulator import bad_request, read_json
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.files import content
from ferryman_sandbox.telegram.view import chat_view
from ferryman_sandbox.telegram.world import Unknown, chat_bell

LONGEST_WAIT = 60.0
HEARTBEAT_SECONDS = 15.0

Deed = Callable[[Document, Document], Any]


class PersonSide:
    def __init__(self, cloud: Cloud, public_url: str) -> None:
        self._cloud = cloud
        self._base = public_url.rstrip("/")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/__emu/users", self._people)
        router.add_post("/__emu/users", self._new_person)
        router.add_get("/__emu/users/{user}/chat", self._chat)
        router.add_get("/__emu/users/{user}/wait", self._wait)
        router.add_get("/__emu/users/{user}/events", self._events)
        router.add_get("/__emu/files/{file}", self._file)
        for name, deed in (
            ("start", self._start),
            ("text", self._text),
            ("press", self._press),
            ("block", self._block),
            ("unblock", self._unblock),
            ("language", self._language),
            ("deactivate", self._deactivate),
        ):
            router.add_post(f"/__emu/users/{{user}}/{name}", self._handler(deed))

    def _handler(self, deed: Deed) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await _object(request)
            try:
                chat = self._chat_of(request, body.get("bot"))
                return web.json_response(deed(chat, body))
            except (Unknown, deeds.Impossible) as error:
                raise bad_request(str(error)) from error

        return handle

    def _chat_of(self, request: web.Request, bot: Any) -> Document:
        person = self._cloud.world.person(_number(request.match_info["user"], "user"))
        chosen = self._cloud.world.bot(_number(bot, "bot")) if bot else self._cloud.world.first_bot()
        return self._cloud.world.chat(chosen["id"], person["id"])

    def _seen(self, request: web.Request) -> Document:
        try:
            return self._chat_of(request, request.query.get("bot"))
        except Unknown as error:
            raise bad_request(str(error)) from error

    async def _people(self, _: web.Request) -> web.Response:
        return web.json_response(self._cloud.world.people())

    async def _new_person(self, request: web.Request) -> web.Response:
        wish = await _object(request)
        if wish.get("id") is not None:
            wish["id"] = _number(wish["id"], "id")
        return web.json_response(deeds.new_person(self._cloud, wish))

    def _start(self, chat: Document, body: Document) -> Document:
        return deeds.start(self._cloud, chat, str(body.get("payload") or ""))

    def _text(self, chat: Document, body: Document) -> Document:
        return deeds.write(self._cloud, chat, str(body.get("text", "")))

    def _press(self, chat: Document, body: Document) -> Document:
        if "message_id" not in body or "data" not in body:
            raise deeds.Impossible("press: give message_id and data")
        return deeds.press(
            self._cloud,
            chat,
            self._cloud.world.message(chat, _number(body["message_id"], "message_id")),
            str(body["data"]),
            forged=bool(body.get("forged")),
            inaccessible=bool(body.get("inaccessible")),
        )

    def _block(self, chat: Document, _: Document) -> Document:
        deeds.block(self._cloud, chat)
        return {"blocked": True}

    def _unblock(self, chat: Document, _: Document) -> Document:
        deeds.unblock(self._cloud, chat)
        return {"blocked": False}

    def _language(self, chat: Document, body: Document) -> Document:
        if not body.get("language_code"):
            raise deeds.Impossible("language: give language_code")
        return deeds.speak(self._cloud, self._cloud.world.person(chat["user"]), str(body["language_code"]))

    def _deactivate(self, chat: Document, _: Document) -> Document:
        return self._cloud.world.add_person({**self._cloud.world.person(chat["user"]), "deactivated": True})

    async def _chat(self, request: web.Request) -> web.Response:
        return web.json_response(chat_view(self._cloud, self._seen(request), self._base))

    async def _wait(self, request: web.Request) -> web.Response:
        """`?after=<revision>&timeout=<seconds>`: the chat once its revision is greater; `changed` says whether."""
        after = _number(request.query.get("after", "0"), "after")
        timeout = min(float(_number(request.query.get("timeout", "30"), "timeout")), LONGEST_WAIT)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            chat = self._seen(request)
            left = deadline - loop.time()
            if chat["revision"] > after or left <= 0 or self._cloud.world.closing:
                view = chat_view(self._cloud, chat, self._base)
                return web.json_response({"changed": chat["revision"] > after, **view})
            await self._cloud.world.bell(chat_bell(chat)).wait(left)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the chat's revision, at once and after every change."""
        chat = self._seen(request)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        told = -1
        while not self._cloud.world.closing:
            revision = self._cloud.world.chat(chat["bot"], chat["user"])["revision"]
            line = ": still here\n\n" if revision == told else f"data: {json.dumps({'revision': revision})}\n\n"
            told = revision
            try:
                await stream.write(line.encode())
            except ConnectionResetError:
                break
            await self._cloud.world.bell(chat_bell(chat)).wait(HEARTBEAT_SECONDS)
        return stream

    async def _file(self, request: web.Request) -> web.Response:
        try:
            record = self._cloud.files.shown(request.match_info["file"])
        except Unknown as error:
            raise bad_request(str(error)) from error
        return web.Response(body=content(record), content_type=record["mime"])


async def _object(request: web.Request) -> Document:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise bad_request("give a JSON object")
    return body


def _number(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f"{name} must be a number, not {value!r}") from None
