"""The emulator put together: one shop, its API, pay page, notifications and control routes."""

from dataclasses import dataclass, field

from ferryman_sandbox.payments import Keys, PaymentEmulator
from ferryman_sandbox.yookassa.api import Api, duplicated
from ferryman_sandbox.yookassa.control import ShopControl
from ferryman_sandbox.yookassa.notifications import manners, written
from ferryman_sandbox.yookassa.pay_page import BankPage
from ferryman_sandbox.yookassa.payment import Json
from ferryman_sandbox.yookassa.settings import Settings
from ferryman_sandbox.yookassa.shop import Shop


@dataclass
class YooKassaEmulator(PaymentEmulator):
    """One YooKassa shop; a client's base URL is `<server>/v3`.

    `test` makes it a test shop: objects carry `test: true`, only bank_card and yoo_money are accepted.
    """

    shop_id: str = "100500"
    secret_key: str = "test_ferryman_sandbox"
    test: bool = False
    currency: str = "RUB"
    shop: Shop = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        settings = Settings.load(self.store, self.test)
        pusher = self.pushing(manners(lambda: settings.source))
        self.shop = Shop(self.store, self._now, settings, self.shop_id, self.currency, self._tell)
        keys = Keys(self.store, self._now, duplicated)
        api = Api(self.shop, keys, pusher, self.secret_key, self.public_url)
        self.open(self.shop.deadlines, api, BankPage(self.shop), ShopControl(self.store, self.shop, pusher))

    async def on_reset(self) -> None:
        await super().on_reset()
        self.shop.settings.change(self.store, {"test": self.test})

    def _tell(self, event: str, thing: Json) -> None:
        self.pusher.announce(written(event, thing))
