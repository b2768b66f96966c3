"""The base of an emulated service that takes money."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.payments.deadlines import Deadlines
from ferryman_sandbox.payments.pushes import Manners, Pusher


class Part(Protocol):
    """An API, a page, control routes."""

    def add_routes(self, app: web.Application) -> None: ...


@dataclass
class PaymentEmulator(Emulator):
    """A subclass calls `pushing` for what sends its webhooks, builds its books, then `open`s; all in `__post_init__`.

    `notify_url` is where webhooks go that have no address of their own (kept in the store; changed through
    `/__emu/settings`). `public_url` is the address of the pay pages when it differs from the one the API was called by.
    """

    notify_url: str | None = None
    public_url: str | None = None
    pusher: Pusher = field(init=False)
    _deadlines: Deadlines = field(init=False)

    def pushing(self, manners: Manners) -> Pusher:
        self.pusher = Pusher(self.store, self._now, manners, self.notify_url)
        return self.pusher

    def open(self, deadlines: Deadlines, *parts: Part) -> None:
        """Add the routes; from the start on, time moves what is due and sends what waits."""
        self._deadlines = deadlines
        for part in parts:
            part.add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()
        self._deadlines.forget()

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self._deadlines.let_time_pass, self._deadlines.next)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
