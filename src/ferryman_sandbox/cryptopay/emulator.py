"""The emulator put together: one app, its API, invoice page, webhook and control routes."""

from dataclasses import dataclass, field

from ferryman_sandbox.cryptopay.api import Api, sign
from ferryman_sandbox.cryptopay.control import AppControl
from ferryman_sandbox.cryptopay.invoice_page import InvoicePage
from ferryman_sandbox.cryptopay.till import Till
from ferryman_sandbox.payments import Manners, PaymentEmulator

MINUTE, HOUR = 60.0, 3600.0
# 17 attempts over three days are documented, their spacing is not.
LADDER = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, *(6.4 * HOUR,) * 11)


@dataclass
class CryptoPayEmulator(PaymentEmulator):
    """One app of Crypto Pay; a client's base URL is `<server>/api`."""

    token: str = "12345:AAsandbox"
    till: Till = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        signed = Manners(lambda body: {"crypto-pay-api-signature": sign(self.token, body)}, LADDER, switch_off=True)
        pusher = self.pushing(signed)
        self.till = Till(self.store, self._now, pusher.announce)
        api = Api(self.till, self.token, self.public_url)
        self.open(self.till.deadlines, api, InvoicePage(self.till), AppControl(self.till, pusher))
