"""The emulator put together: one merchant, its API, invoice page, webhooks, control routes."""

from dataclasses import dataclass, field

from ferryman_sandbox.coins import Brand, InvoicePage
from ferryman_sandbox.heleket.api import Api
from ferryman_sandbox.heleket.control import MerchantControl
from ferryman_sandbox.heleket.desk import Desk
from ferryman_sandbox.heleket.invoice import Invoice
from ferryman_sandbox.payments import Manners, PaymentEmulator

MINUTE, HOUR = 60.0, 3600.0
LADDER = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)


@dataclass
class HeleketEmulator(PaymentEmulator):
    """One merchant; a client's base URL is `<server>/v1`. Each invoice has its own webhook address."""

    merchant: str = "8b03432e-385b-4670-8d06-064591096795"
    payment_key: str = "sandbox-payment-key"
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # The signature is in the body: no header carries one.
        pusher = self.pushing(Manners(lambda _: {}, LADDER))
        self.desk = Desk(self.store, self._now, self._tell)
        api = Api(self.desk, pusher, self.merchant, self.payment_key, self.public_url)
        page = InvoicePage(self.desk, Brand("Skerry Pay", "💠", "#0f8a8a"))
        self.open(self.desk.deadlines, api, page, MerchantControl(self.desk, pusher))

    def _tell(self, invoice: Invoice) -> None:
        self.pusher.announce(invoice.told(self.payment_key), invoice.url_callback)
