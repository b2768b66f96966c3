"""The emulator put together: one app, its API, invoice page, webhook and control routes; time passes in a task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.cryptopay.api import Api, sign
from ferryman_sandbox.cryptopay.control import Control
from ferryman_sandbox.cryptopay.invoice_page import InvoicePage
from ferryman_sandbox.cryptopay.till import Till
from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.pushes import Manners, Pusher

MINUTE, HOUR = 60.0, 3600.0
# 17 attempts over three days are documented, their spacing is not.
LADDER = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, *(6.4 * HOUR,) * 11)


@dataclass
class CryptoPayEmulator(Emulator):
    """One app of Crypto Pay; a client's base URL is `<server>/api`.

    `notify_url` is where the webhook goes (kept in the store; changed through `/__emu/settings`). `public_url` is the
    address of the invoice page when it differs from the address the API was called by.
    """

    token: str = "12345:AAsandbox"
    notify_url: str | None = None
    public_url: str | None = None
    till: Till = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        manners = Manners(lambda body: {"crypto-pay-api-signature": sign(self.token, body)}, LADDER, switch_off=True)
        self.pusher = Pusher(self.store, self._now, manners, self.notify_url)
        self.till = Till(self.store, self._now, self.pusher.announce)
        Api(self.till, self.token, self.public_url).add_routes(self.app)
        InvoicePage(self.till).add_routes(self.app)
        Control(self.till, self.pusher).add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()
        self.till.forget()

    def _now(self) -> float:
        return self.clock.now()

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self.till.let_time_pass, self.till.next_due)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
