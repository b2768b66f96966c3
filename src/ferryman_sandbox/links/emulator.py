"""The base of such an emulator: a subclass reads its links and writes its notifications; the rest is here."""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from ferryman_sandbox.emulator import Emulator, bad_request, read_json
from ferryman_sandbox.links.bill import Bill, Desk, Wrong
from ferryman_sandbox.links.page import Page, Till
from ferryman_sandbox.pushes import Manners, Pusher

# Neither service publishes its spacing; this ladder is ours.
LADDER = (10.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class LinkEmulator(Emulator):
    """`notify_url` is where notifications go (kept in the store; changed through `/__emu/settings`)."""

    notify_url: str | None = None
    desk: Desk = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        manners = Manners(lambda _: FORM, LADDER, received=(200,), wants=self.wanted)
        self.pusher = Pusher(self.store, self._now, manners, self.notify_url)
        self.desk = Desk(self.store, self._now, lambda bill: self.pusher.announce(self.notification(bill)))
        Page(self.desk, self.till, self.visited).add_routes(self.app)
        self.app.router.add_get("/__emu/payments", self._bills)
        self.app.router.add_post("/__emu/payments/{id}/{move}", self._move)
        self.app.router.add_post("/__emu/forge", self._forge)
        self.pusher.add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    @property
    def till(self) -> Till:
        """Where the link leads, and how the page looks."""
        raise NotImplementedError

    def visited(self, query: dict[str, str]) -> Bill:
        """The bill of a link that somebody opened. Raises Wrong."""
        raise NotImplementedError

    def notification(self, bill: Bill) -> str:
        """The form that the shop is sent, signed."""
        raise NotImplementedError

    def wanted(self, body: str) -> str:
        """What the shop must answer to it."""
        raise NotImplementedError

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()

    def _now(self) -> float:
        return self.clock.now()

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(lambda: None, lambda: None)

    async def _bills(self, request: web.Request) -> web.Response:
        """Newest first; `?limit=` cuts the list."""
        asked = request.query.get("limit", "")
        shown = self.desk.bills()[: int(asked) if asked.isdecimal() else None]
        return web.json_response([asdict(bill) for bill in shown])

    async def _move(self, request: web.Request) -> web.Response:
        """`pay`, `decline`, `refund`."""
        moves: dict[str, Callable[[str], Bill]] = {
            "pay": self.desk.pay,
            "decline": self.desk.decline,
            "refund": self.desk.give_back,
        }
        move = moves.get(request.match_info["move"])
        if move is None:
            raise bad_request(f"a bill can: {', '.join(moves)}")
        try:
            return web.json_response(asdict(move(request.match_info["id"])))
        except Wrong as wrong:
            raise bad_request(str(wrong)) from wrong

    async def _forge(self, request: web.Request) -> web.Response:
        """{"body"}: a notification that somebody else sent, and how the shop answered."""
        wish: Any = await read_json(request)
        return web.json_response(await self.pusher.send(str(wish.get("body", "")), headers=FORM))


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
