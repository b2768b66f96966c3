"""The emulator itself: the Bot API's routes on one aiohttp application, beside the person's side and the chat page."""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import ApiError, refusal, success
from ferryman_sandbox.telegram.call import Call, read_fields
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.control import Control
from ferryman_sandbox.telegram.files import content
from ferryman_sandbox.telegram.methods import METHODS
from ferryman_sandbox.telegram.page import ChatPage
from ferryman_sandbox.telegram.person import PersonSide
from ferryman_sandbox.telegram.star_control import StarControl
from ferryman_sandbox.telegram.webhook import WebhookSender
from ferryman_sandbox.telegram.world import TOKEN, Unknown, World

log = logging.getLogger(__name__)


@dataclass
class TelegramEmulator(Emulator):
    """Telegram's Bot API for the bots of `tokens`, with people to talk to.

    `public_url` is put before the addresses of photos in a chat's JSON (default: they start with a slash).
    `local_http` lets buttons and webhooks use plain http on this machine. `answer_seconds`: how long a pressed button
    waits for its answer. Raises ValueError for a token of the wrong shape.

    Not modelled: groups (only channel membership), inline mode, Markdown, link previews, the stretched short polls of
    the real server, its pause before repeated 409s, and the week of silence after which update ids jump. Of payments:
    money other than Stars, withdrawals, the days before Stars can be withdrawn, and editing an invoice.
    """

    tokens: Sequence[str] = ()
    public_url: str | None = None
    local_http: bool = True
    answer_seconds: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        world = World(self.store, self._now, self.seed)
        self.cloud = Cloud(world, self.local_http, self.answer_seconds)
        self.unknown_methods: deque[dict[str, Any]] = deque(maxlen=500)
        self._sender = WebhookSender(self.cloud, self._run)
        self._ensure_bots()
        router = self.app.router
        for path in ("/bot{token:[^/]+}/{method}", "/bot{token:[^/]+}/test/{method}"):
            router.add_route("GET", path, self._call)
            router.add_route("POST", path, self._call)
        router.add_get("/file/bot{token:[^/]+}/{path:.+}", self._download)
        PersonSide(self.cloud, self.public_url or "").add_routes(router)
        Control(self.cloud, self._sender, self.unknown_methods).add_routes(router)
        StarControl(self.cloud).add_routes(router)
        ChatPage(self.cloud).add_routes(router)
        self.app.cleanup_ctx.append(self._sender.run)
        self.app.on_shutdown.append(self._let_waiters_go)

    async def on_time_moved(self) -> None:
        self.cloud.stars.renew_due()
        self.cloud.world.ring_all()

    async def on_reset(self) -> None:
        self.cloud.limits.forget()
        self.cloud.updates.duplicates_left = 0
        self.unknown_methods.clear()
        self._ensure_bots()
        self.cloud.world.ring_all()

    def _ensure_bots(self) -> None:
        for token in self.tokens:
            self.cloud.world.ensure_bot(token)

    async def _let_waiters_go(self, _: web.Application) -> None:
        self.cloud.world.closing = True
        self.cloud.world.ring_all()

    async def _call(self, request: web.Request) -> web.Response:
        try:
            bot = self._authorised(request.match_info["token"])
            fields, uploads = await read_fields(request)
            call = Call(bot, request.match_info["method"], fields, uploads)
            return success(await self._result(call), call.note)
        except ApiError as error:
            return refusal(error)

    async def _run(self, bot: Document, method: str, fields: dict[str, str]) -> None:
        """A method call whose caller never learns the outcome."""
        try:
            await self._result(Call(bot, method, fields))
        except ApiError as error:
            log.warning("method %s in a webhook's answer was refused: %s", method, error.description)

    async def _result(self, call: Call) -> Any:
        method = METHODS.get(call.method.lower())
        if method is None:
            log.error("the bot called %s, which this emulator does not have", call.method)
            self.unknown_methods.append({"at": self.clock.now(), "method": call.method, "fields": sorted(call.fields)})
            raise ApiError(404, "Not Found: method not found")
        return await method(self.cloud, call)

    def _authorised(self, token: str) -> Document:
        if not TOKEN.fullmatch(token):
            raise ApiError(404, "Not Found")
        try:
            return self.cloud.world.bot_by_token(token)
        except Unknown:
            raise ApiError(401, "Unauthorized") from None

    async def _download(self, request: web.Request) -> web.Response:
        try:
            bot = self._authorised(request.match_info["token"])
            record = self.cloud.files.at_path(bot["id"], request.match_info["path"])
        except ApiError as error:
            return refusal(error)
        except Unknown:
            return refusal(ApiError(404, "Not Found"))
        return web.Response(body=content(record), content_type="application/octet-stream")
