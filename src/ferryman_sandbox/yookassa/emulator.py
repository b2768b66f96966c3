"""The emulator put together: one shop, its API, pay page, notifications and control routes; time passes in a task."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.pushes import Pusher
from ferryman_sandbox.yookassa.api import Api
from ferryman_sandbox.yookassa.control import Control
from ferryman_sandbox.yookassa.idempotence import Keys
from ferryman_sandbox.yookassa.notifications import manners, written
from ferryman_sandbox.yookassa.pay_page import PayPage
from ferryman_sandbox.yookassa.payment import Json
from ferryman_sandbox.yookassa.settings import Settings
from ferryman_sandbox.yookassa.shop import Shop


@dataclass
class YooKassaEmulator(Emulator):
    """One YooKassa shop; a client's base URL is `<server>/v3`.

    `notify_url` is where notifications go (kept in the store; changed through `/__emu/settings`). `test` makes it a
    test shop: objects carry `test: true`, only bank_card and yoo_money are accepted. `public_url` is the address of the
    pay page when it differs from the address the API was called by.
    """

    shop_id: str = "100500"
    secret_key: str = "test_ferryman_sandbox"
    notify_url: str | None = None
    test: bool = False
    public_url: str | None = None
    currency: str = "RUB"
    shop: Shop = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = Settings.load(self.store, self.test)
        self.pusher = Pusher(self.store, self._now, manners(lambda: settings.source), self.notify_url)
        self.shop = Shop(self.store, self._now, settings, self.shop_id, self.currency, self._tell)
        keys = Keys(self.store, self._now)
        Api(self.shop, keys, self.pusher, self.secret_key, self.public_url).add_routes(self.app)
        PayPage(self.shop).add_routes(self.app)
        Control(self.store, self.shop, self.pusher).add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()
        self.shop.forget()
        self.shop.settings.change(self.store, {"test": self.test})

    def _now(self) -> float:
        return self.clock.now()

    def _tell(self, event: str, thing: Json) -> None:
        self.pusher.announce(written(event, thing))

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self.shop.let_time_pass, self.shop.next_due)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
