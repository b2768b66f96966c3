"""Where each payment provider's contract suite runs: an emulator always, the real service when its keys are given."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ferryman.billing.provider import ProviderTools
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import ApiAppConfig
from ferryman.billing.providers.cryptopay import AppConfig, CryptoPay
from ferryman.billing.providers.heleket import Heleket, MerchantConfig
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.http import Http
from ferryman_sandbox.coingate import CoinGateEmulator
from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.heleket import HeleketEmulator
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.billing.providers.kassas import emulated_freekassa, emulated_robokassa
from tests.billing.providers.recorder import recording
from tests.billing.providers.stars_world import emulated_stars
from tests.billing.providers.stripe_world import emulated_stripe
from tests.billing.providers.world import Control, FixedClock, Place, World, a_request, closed_address, days_from_now

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
    return YooKassa(ShopConfig.model_validate(config), ProviderTools(http, SystemClock(), sandbox=True))


@asynccontextmanager
async def emulated_yookassa() -> AsyncIterator[World]:
    http = Http()
    async with recording() as hook:
        emulator = YooKassaEmulator(
            Store(":memory:"), secret_key=EMULATED_KEY, test=True, notify_url=f"{hook.url}/hooks/yookassa/x"
        )
        server = await serve(emulator.app)
        try:
            yield World(
                provider=yookassa(http, f"{server.url}/v3"),
                stranger=yookassa(http, f"{server.url}/v3", secret_key="test_a_wrong_one"),
                orphan=yookassa(http, f"{await closed_address()}/v3"),
                secrets=(EMULATED_KEY, "test_a_wrong_one"),
                control=Control(http, server.url, hook, emulator),
                way="bank_card",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()


@asynccontextmanager
async def real_yookassa() -> AsyncIterator[World]:
    """A test shop at the real service; payments are created there and left to expire."""
    shop = os.environ["FERRYMAN_TEST_YOOKASSA_SHOP_ID"]
    key = os.environ["FERRYMAN_TEST_YOOKASSA_SECRET_KEY"]
    http = Http()
    tools = ProviderTools(http, SystemClock(), sandbox=True)
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
    return CryptoPay(AppConfig.model_validate(config), ProviderTools(http, SystemClock(), sandbox=True))


@asynccontextmanager
async def emulated_cryptopay() -> AsyncIterator[World]:
    http, wrong = Http(), "12345:AAa_wrong_one"
    async with recording() as hook:
        notify_url = f"{hook.url}/hooks/cryptopay/x"
        emulator = CryptoPayEmulator(Store(":memory:"), token=EMULATED_TOKEN, notify_url=notify_url)
        server = await serve(emulator.app)
        try:
            yield World(
                provider=cryptopay(http, f"{server.url}/api"),
                stranger=cryptopay(http, f"{server.url}/api", token=wrong),
                orphan=cryptopay(http, f"{await closed_address()}/api"),
                secrets=(EMULATED_TOKEN, wrong),
                control=InvoiceControl(http, server.url, hook, emulator),
                unknown_id="987654321",
                creation="createInvoice",
                declined="expired",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()


def coingate(http: Http, api_base: str, **settings: Any) -> CoinGate:
    config = {"api_token": EMULATED_KEY, "api_base": api_base} | settings
    return CoinGate(ApiAppConfig.model_validate(config), ProviderTools(http, SystemClock(), sandbox=True))


@asynccontextmanager
async def emulated_coingate() -> AsyncIterator[World]:
    http, wrong = Http(), "a_wrong_token"
    async with recording() as hook:
        emulator = CoinGateEmulator(Store(":memory:"), token=EMULATED_KEY)
        server = await serve(emulator.app)
        try:
            yield World(
                provider=coingate(http, f"{server.url}/v2"),
                stranger=coingate(http, f"{server.url}/v2", api_token=wrong),
                orphan=coingate(http, f"{await closed_address()}/v2"),
                secrets=(EMULATED_KEY, wrong),
                control=Control(http, server.url, hook, emulator),
                currency="EUR",
                unknown_id="987654321",
                keyed=False,
                creation="orders",
                declined="canceled",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()


def heleket(http: Http, api_base: str, **settings: Any) -> Heleket:
    config = {"merchant": EMULATED_MERCHANT, "payment_key": EMULATED_KEY, "api_base": api_base} | settings
    return Heleket(MerchantConfig.model_validate(config), ProviderTools(http, SystemClock(), sandbox=True))


@asynccontextmanager
async def emulated_heleket() -> AsyncIterator[World]:
    http, wrong = Http(), "a_wrong_key"
    async with recording() as hook:
        emulator = HeleketEmulator(Store(":memory:"), merchant=EMULATED_MERCHANT, payment_key=EMULATED_KEY)
        server = await serve(emulator.app)
        try:
            yield World(
                provider=heleket(http, f"{server.url}/v1"),
                stranger=heleket(http, f"{server.url}/v1", payment_key=wrong),
                orphan=heleket(http, f"{await closed_address()}/v1"),
                secrets=(EMULATED_KEY, wrong),
                control=Control(http, server.url, hook, emulator),
                currency="USD",
                keyed=False,
                creation="payment",
                declined="fail",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()


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
