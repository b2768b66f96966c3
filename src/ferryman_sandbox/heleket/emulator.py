"""The emulator put together: one merchant, its API, invoice page, webhooks, control routes; time passes in a task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.coins import Brand, InvoicePage
from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.heleket.api import Api
from ferryman_sandbox.heleket.control import Control
from ferryman_sandbox.heleket.desk import Desk
from ferryman_sandbox.heleket.invoice import Invoice
from ferryman_sandbox.pushes import Manners, Pusher

MINUTE, HOUR = 60.0, 3600.0
LADDER = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)


@dataclass
class HeleketEmulator(Emulator):
    """One merchant; a client's base URL is `<server>/v1`. Each invoice has its own webhook address.

    `public_url` is the address of the invoice page when it differs from the address the API was called by.
    """

    merchant: str = "8b03432e-385b-4670-8d06-064591096795"
    payment_key: str = "sandbox-payment-key"
    public_url: str | None = None
    desk: Desk = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # The signature is in the body: no header carries one.
        self.pusher = Pusher(self.store, self._now, Manners(lambda _: {}, LADDER), None)
        self.desk = Desk(self.store, self._now, self._tell)
        Api(self.desk, self.pusher, self.merchant, self.payment_key, self.public_url).add_routes(self.app)
        InvoicePage(self.desk, Brand("Skerry Pay", "💠", "#0f8a8a")).add_routes(self.app)
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

    def _tell(self, invoice: Invoice) -> None:
        self.pusher.announce(invoice.told(self.payment_key), invoice.url_callback)

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self.desk.let_time_pass, self.desk.next_due)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
