"""The emulator put together: one account, its API, checkout page, webhook endpoint and control routes."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.pushes import Manners, Pusher
from ferryman_sandbox.stripe.account import Account
from ferryman_sandbox.stripe.api import Api
from ferryman_sandbox.stripe.checkout_page import CheckoutPage
from ferryman_sandbox.stripe.control import Control

MINUTE, HOUR = 60.0, 3600.0
# About three days are documented for a live account, the spacing is not.
LADDER = (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, *(10 * HOUR,) * 6)


@dataclass
class StripeEmulator(Emulator):
    """One Stripe account in test mode; a client's base URL is `<server>/v1`.

    `notify_url` is the webhook endpoint (kept in the store; changed through `/__emu/settings`). While
    `old_webhook_secret` is set, the endpoint's secret is being rolled: webhooks carry a signature by each. `public_url`
    is the address of the checkout page when it differs from the address the API was called by.
    """

    secret_key: str = "sk_test_ferryman_sandbox"
    webhook_secret: str = "whsec_ferryman_sandbox"
    old_webhook_secret: str = ""
    notify_url: str | None = None
    public_url: str | None = None
    account: Account = field(init=False)
    pusher: Pusher = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pusher = Pusher(self.store, self._now, Manners(self._sign, LADDER), self.notify_url)
        self.account = Account(self.store, self._now, self.pusher.announce)
        Api(self.store, self._now, self.account, self.secret_key, self.public_url).add_routes(self.app)
        CheckoutPage(self.account).add_routes(self.app)
        Control(self.account, self.pusher).add_routes(self.app)
        self.app.on_response_prepare.append(_mark)
        self.app.cleanup_ctx.append(self._live)

    async def on_time_moved(self) -> None:
        self.pusher.wake.set()

    async def on_reset(self) -> None:
        self.pusher.forget()
        self.account.forget()

    def _now(self) -> float:
        return self.clock.now()

    def _sign(self, body: bytes) -> Mapping[str, str]:
        """`t=…,v1=…[,v1=…]`, made anew for each attempt."""
        moment = int(self._now())
        parts = [f"t={moment}"]
        for secret in (self.old_webhook_secret, self.webhook_secret):
            if secret:
                text = b"%d.%s" % (moment, body)
                parts.append(f"v1={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}")
        return {"Stripe-Signature": ",".join(parts)}

    def _live(self, _: web.Application) -> AsyncIterator[None]:
        return self.pusher.run(self.account.let_time_pass, self.account.next_due)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Emulator"] = "1"
