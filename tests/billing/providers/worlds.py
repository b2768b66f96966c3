"""Where each payment provider's contract suite runs: an emulator always, the real service when its keys are given."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import ApiAppConfig
from ferryman.billing.providers.cryptopay import AppConfig, CryptoPay
from ferryman.billing.providers.heleket import Heleket, MerchantConfig
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.kit.http import Http
from ferryman_sandbox.coingate import CoinGateEmulator
from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.heleket import HeleketEmulator
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.billing.providers.kassas import emulated_freekassa, emulated_robokassa
from tests.billing.providers.stars_world import emulated_stars
from tests.billing.providers.stripe_world import emulated_stripe
from tests.billing.providers.world import (
    Control,
    FixedClock,
    Place,
    World,
    a_request,
    closed_address,
    days_from_now,
    emulated,
    emulator_tools,
)

EMULATED_KEY = "test_secret_of_the_emulated_shop"
EMULATED_MERCHANT = "8b03432e-385b-4670-8d06-064591096795"
EMULATED_TOKEN = "12345:AAtoken_of_the_emulated_app"

__all__ = [
    "PLACES",
    "Control",
    "FixedClock",
    "Place",
    "World",
    "a_request",
    "closed_address",
    "days_from_now",
]


class InvoiceControl(Control):
    """Crypto Pay: nobody declines an invoice, it runs out of time."""

    async def decline(self, external_id: str) -> None:
        await self.post(f"payments/{external_id}/expire")


def yookassa(http: Http, api_base: str, **settings: Any) -> YooKassa:
    config = {"shop_id": "100500", "secret_key": EMULATED_KEY, "api_base": api_base} | settings
    return YooKassa(ShopConfig.model_validate(config), emulator_tools(http))


def emulated_yookassa() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        yookassa,
        lambda hook: YooKassaEmulator(Store(":memory:"), secret_key=EMULATED_KEY, test=True, notify_url=hook),
        path="/v3",
        wrong={"secret_key": "test_a_wrong_one"},
        secrets=(EMULATED_KEY,),
        way="bank_card",
    )


@asynccontextmanager
async def real_yookassa() -> AsyncIterator[World]:
    """A test shop at the real service; payments are created there and left to expire."""
    shop = os.environ["FERRYMAN_TEST_YOOKASSA_SHOP_ID"]
    key = os.environ["FERRYMAN_TEST_YOOKASSA_SECRET_KEY"]
    http = Http()
    tools = emulator_tools(http)
    try:
        yield World(
            provider=YooKassa(ShopConfig.model_validate({"shop_id": shop, "secret_key": key}), tools),
            stranger=YooKassa(ShopConfig.model_validate({"shop_id": shop, "secret_key": "test_a_wrong_one"}), tools),
            orphan=yookassa(http, f"{await closed_address()}/v3"),
            secrets=(key, "test_a_wrong_one"),
        )
    finally:
        await http.close()


def cryptopay(http: Http, api_base: str, **settings: Any) -> CryptoPay:
    config = {"token": EMULATED_TOKEN, "api_base": api_base} | settings
    return CryptoPay(AppConfig.model_validate(config), emulator_tools(http))


def emulated_cryptopay() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        cryptopay,
        lambda hook: CryptoPayEmulator(Store(":memory:"), token=EMULATED_TOKEN, notify_url=hook),
        path="/api",
        wrong={"token": "12345:AAa_wrong_one"},
        secrets=(EMULATED_TOKEN,),
        control=InvoiceControl,
        unknown_id="987654321",
        creation="createInvoice",
        declined="expired",
    )


def coingate(http: Http, api_base: str, **settings: Any) -> CoinGate:
    config = {"api_token": EMULATED_KEY, "api_base": api_base} | settings
    return CoinGate(ApiAppConfig.model_validate(config), emulator_tools(http))


def emulated_coingate() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        coingate,
        lambda _: CoinGateEmulator(Store(":memory:"), token=EMULATED_KEY),
        path="/v2",
        wrong={"api_token": "a_wrong_token"},
        secrets=(EMULATED_KEY,),
        currency="EUR",
        unknown_id="987654321",
        keyed=False,
        creation="orders",
        declined="canceled",
    )


def heleket(http: Http, api_base: str, **settings: Any) -> Heleket:
    config = {"merchant": EMULATED_MERCHANT, "payment_key": EMULATED_KEY, "api_base": api_base} | settings
    return Heleket(MerchantConfig.model_validate(config), emulator_tools(http))


def emulated_heleket() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        heleket,
        lambda _: HeleketEmulator(Store(":memory:"), merchant=EMULATED_MERCHANT, payment_key=EMULATED_KEY),
        path="/v1",
        wrong={"payment_key": "a_wrong_key"},
        secrets=(EMULATED_KEY,),
        currency="USD",
        keyed=False,
        creation="payment",
        declined="fail",
    )


PLACES: dict[str, dict[str, Place]] = {
    "coingate": {"emulator": Place(emulated_coingate)},
    "cryptopay": {"emulator": Place(emulated_cryptopay)},
    "freekassa": {"emulator": Place(emulated_freekassa)},
    "heleket": {"emulator": Place(emulated_heleket)},
    "robokassa": {"emulator": Place(emulated_robokassa)},
    "stars": {"emulator": Place(emulated_stars)},
    "stripe": {"emulator": Place(emulated_stripe)},
    "yookassa": {
        "emulator": Place(emulated_yookassa),
        "real": Place(real_yookassa, ("FERRYMAN_TEST_YOOKASSA_SHOP_ID", "FERRYMAN_TEST_YOOKASSA_SECRET_KEY")),
    },
}
