"""The emulator put together: one account, its API, invoice page, callbacks, control routes; time passes in a task."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.coingate.api import Api
from ferryman_sandbox.coingate.control import Control
from ferryman_sandbox.coingate.desk import Desk
from ferryman_sandbox.coins import Brand, InvoicePage
from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.pushes import Manners, Pusher

MINUTE, HOUR = 60.0, 3600.0
_STEPS = (MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR, 5 * HOUR, 24 * HOUR)
# Forty retries, five at each pace: about six and a half days.
LADDER = tuple(step for step in _STEPS for _ in range(5))


@dataclass
class CoinGateEmulator(Emulator):
    """One CoinGate account with one API app; a client's base URL is `<server>/v2`, or `<server>/api/v2`.

    Each order has its own callback address. `public_url` is the address of the invoice page when it differs from the
    address the API was called by.
    """

    token: str = "sandbox-token-of-the-emulated-account"
    public_url: str | None = None
    desk: Desk = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        manners = Manners(_headers, LADDER, received=(200, 204), ends=(301, 302, 401, 403))
        self.pusher = Pusher(self.store, self._now, manners, None)
        self.desk = Desk(self.store, self._now, self.pusher.announce)
        Api(self.desk, self.token, self.public_url).add_routes(self.app)
        InvoicePage(self.desk, Brand("Harbour Coins", "🪙", "#5b5bd6")).add_routes(self.app)
        Control(self.desk, self.pusher).add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()
        self.desk.forget()

    def _now(self) -> float:
        return self.clock.now()

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self.desk.let_time_pass, self.desk.next_due)


def _headers(body: bytes) -> Mapping[str, str]:
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    return {"Content-Type": kind, "User-Agent": "CoinGate-Emulator"}


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
