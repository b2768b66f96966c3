"""The emulator put together: one shop, its API, pay page, notifications and control routes; time passes in a task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.yookassa.api import Api
from ferryman_sandbox.yookassa.control import Control
from ferryman_sandbox.yookassa.idempotence import Keys
from ferryman_sandbox.yookassa.notifications import Notifier
from ferryman_sandbox.yookassa.pay_page import PayPage
from ferryman_sandbox.yookassa.settings import Settings
from ferryman_sandbox.yookassa.shop import Shop

LONGEST_NAP = 3600.0


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
    notifier: Notifier = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = Settings.load(self.store, self.notify_url, self.test)
        self.notifier = Notifier(self.store, self._now, settings)
        self.shop = Shop(self.store, self._now, settings, self.shop_id, self.currency, self.notifier.announce)
        keys = Keys(self.store, self._now)
        Api(self.shop, keys, self.notifier, self.secret_key, self.public_url).add_routes(self.app)
        PayPage(self.shop).add_routes(self.app)
        Control(self.store, self.shop, self.notifier).add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.notifier.wake.set()

    async def on_reset(self) -> None:
        self.notifier.forget()
        self.shop.forget()
        self.shop.settings.change(self.store, {"notify_url": self.notify_url or "", "test": self.test})

    def _now(self) -> float:
        return self.clock.now()

    async def _live(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._pass_time())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await self.notifier.stop()

    async def _pass_time(self) -> None:
        """Sleep until the next expiry or delivery, or until something changes."""
        while True:
            self.notifier.wake.clear()
            self.shop.let_time_pass()
            self.notifier.launch_due()
            due = [moment for moment in (self.shop.next_due(), self.notifier.next_due()) if moment is not None]
            nap = min([LONGEST_NAP, *(max(0.0, moment - self._now()) for moment in due)])
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes together with the wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap):
                    await self.notifier.wake.wait()


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
