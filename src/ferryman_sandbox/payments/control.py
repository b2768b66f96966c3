"""The control routes under `/__emu/` that every such emulator has: its payments, their moves, forgeries, webhooks.

| route                                  | what it does                                                            |
|----------------------------------------|-------------------------------------------------------------------------|
| `GET payments`                         | newest first, as the API shows them; `?limit=` cuts the list            |
| `POST payments/{id}/{move}`            | what payer, network, time or staff could do; the emulator names moves   |
| `POST forge`                           | a webhook that somebody else sent, and how the shop answered            |
| `GET deliveries`                       | every attempt of a webhook with the shop's answer, newest first         |
| `POST deliveries/{n}/resend`           | the same once more                                                      |
| `GET, POST webhooks`                   | the Disturbance of `pushes`: what befalls the next ones                 |
| `GET, POST settings`                   | {"notify_url"}, or the emulator's own settings with that among them     |
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import bad_request, limit, read_json
from ferryman_sandbox.payments.api import Json, Refusal
from ferryman_sandbox.payments.pushes import Pusher

Move = Callable[[str, Json], Any]
"""Given the payment's id and the call's body; answers how it looks then, and raises a Refusal."""


@dataclass(frozen=True)
class Forgery:
    """`headers` None = signed as the service itself would; `url` "" = where its webhooks go."""

    text: str
    headers: Mapping[str, str] | None = None
    url: str = ""


@dataclass(frozen=True)
class Control:
    """`payments()` are all, newest first; `forgery(wish)` makes of a call's body what is sent.

    `settings`: the emulator's own, shown and changed by the two functions; without, they are the address alone.
    """

    pusher: Pusher
    payments: Callable[[], Iterable[Json]]
    moves: Mapping[str, Move]
    forgery: Callable[[Json], Forgery]
    settings: tuple[Callable[[], Json], Callable[[Any], object]] | None = None

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/__emu/payments", self._payments)
        app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        app.router.add_post("/__emu/forge", self._forge)
        app.router.add_get("/__emu/deliveries", self._deliveries)
        app.router.add_post("/__emu/deliveries/{n}/resend", self._resend)
        add_document(app, "webhooks", lambda: asdict(self.pusher.disturbance), self.pusher.disturb)
        shown, change = self.settings or (lambda: {"notify_url": self.pusher.notify_url}, self._point)
        add_document(app, "settings", shown, change)

    async def _payments(self, request: web.Request) -> web.Response:
        return web.json_response(list(self.payments())[: limit(request)])

    async def _move(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        move = self.moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"a payment can: {', '.join(self.moves)}")
        return answered(lambda: move(request.match_info["id"], body))

    async def _forge(self, request: web.Request) -> web.Response:
        forged = self.forgery(await read_json(request))
        delivery = await self.pusher.send(forged.text, headers=forged.headers, url=forged.url)
        return web.json_response(self.pusher.shown(delivery))

    async def _deliveries(self, request: web.Request) -> web.Response:
        return web.json_response(self.pusher.deliveries()[: limit(request)])

    async def _resend(self, request: web.Request) -> web.Response:
        delivery = await self.pusher.resend(request.match_info["n"])
        if delivery is None:
            raise web.HTTPNotFound(text="no such delivery")
        return web.json_response(self.pusher.shown(delivery))

    def _point(self, given: Any) -> None:
        if not isinstance(given, dict) or set(given) != {"notify_url"} or not isinstance(given["notify_url"], str):
            raise ValueError('give {"notify_url": "http://127.0.0.1:…"}, "" for nowhere')
        self.pusher.point_at(given["notify_url"])


def answered(act: Callable[[], Any]) -> web.Response:
    """What comes of it, or how the service refuses it."""
    try:
        return web.json_response(act())
    except Refusal as refusal:
        return refusal.response()


def add_document(app: web.Application, name: str, shown: Callable[[], Json], change: Callable[[Any], object]) -> None:
    """`GET` and `POST /__emu/{name}`; `change` raises AttributeError, TypeError or ValueError for what is wrong."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response(shown())

    async def post(request: web.Request) -> web.Response:
        given = await read_json(request)
        try:
            change(given)
        except (AttributeError, TypeError, ValueError) as error:
            raise bad_request(f"{name}: {error}") from error
        return web.json_response(shown())

    app.router.add_get(f"/__emu/{name}", show)
    app.router.add_post(f"/__emu/{name}", post)
