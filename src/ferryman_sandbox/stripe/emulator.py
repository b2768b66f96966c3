"""The emulator put together: one account, its API, checkout page, webhook endpoint and control routes."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from ferryman_sandbox.payments import Keys, Manners, PaymentEmulator
from ferryman_sandbox.stripe.account import Account
from ferryman_sandbox.stripe.api import Api, reused
from ferryman_sandbox.stripe.checkout_page import CheckoutPage
from ferryman_sandbox.stripe.control import AccountControl

MINUTE, HOUR = 60.0, 3600.0
# About three days are documented for a live account, the spacing is not.
LADDER = (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, *(10 * HOUR,) * 6)


@dataclass
class StripeEmulator(PaymentEmulator):
    """One Stripe account in test mode; a client's base URL is `<server>/v1`.

    While `old_webhook_secret` is set, the endpoint's secret is being rolled: webhooks carry a signature by each.
    """

    secret_key: str = "sk_test_ferryman_sandbox"
    webhook_secret: str = "whsec_ferryman_sandbox"
    old_webhook_secret: str = ""
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        pusher = self.pushing(Manners(self._sign, LADDER))
        self.account = Account(self.store, self._now, pusher.announce)
        keys = Keys(self.store, self._now, reused)
        api = Api(self.account, keys, self.secret_key, self.public_url)
        self.open(self.account.deadlines, api, CheckoutPage(self.account), AccountControl(self.account, pusher))

    def _sign(self, body: bytes) -> Mapping[str, str]:
        """`t=…,v1=…[,v1=…]`, made anew for each attempt."""
        moment = int(self._now())
        parts = [f"t={moment}"]
        for secret in (self.old_webhook_secret, self.webhook_secret):
            if secret:
                text = b"%d.%s" % (moment, body)
                parts.append(f"v1={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}")
        return {"Stripe-Signature": ",".join(parts)}
