"""Robokassa and Freekassa in their surroundings: shops behind a signed link, seen over there when the payer comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ferryman.billing.provider import ProviderTools
from ferryman.billing.providers import freekassa, robokassa
from ferryman.kit.clock import SystemClock
from ferryman.kit.http import Http
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.freekassa import FreekassaEmulator
from ferryman_sandbox.robokassa import RobokassaEmulator
from ferryman_sandbox.store import Store
from tests.billing.providers.recorder import recording
from tests.billing.providers.world import Control, World, closed_address

PASSWORDS: dict[str, Any] = {"password_1": "emulated_password_1", "password_2": "emulated_password_2"}
WORDS: dict[str, Any] = {
    "api_key": "emulated_api_key",
    "secret_word_1": "emulated_word_1",
    "secret_word_2": "emulated_word_2",
}
WRONG = "a_wrong_one"


def a_robokassa(http: Http, api_base: str, **settings: Any) -> robokassa.Robokassa:
    config = {"login": "demo", "api_base": api_base, "test": True} | PASSWORDS | settings
    tools = ProviderTools(http, SystemClock(), sandbox=True)
    return robokassa.Robokassa(robokassa.ShopConfig.model_validate(config), tools)


def a_freekassa(http: Http, url: str, **settings: Any) -> freekassa.Freekassa:
    config = {"shop_id": 777, "api_base": f"{url}/v1", "page": url} | WORDS | settings
    tools = ProviderTools(http, SystemClock(), sandbox=True)
    return freekassa.Freekassa(freekassa.ShopConfig.model_validate(config), tools)


@asynccontextmanager
async def emulated_robokassa() -> AsyncIterator[World]:
    http = Http()
    async with recording() as hook:
        emulator = RobokassaEmulator(Store(":memory:"), notify_url=f"{hook.url}/hooks/robokassa/x", **PASSWORDS)
        server = await serve(emulator.app)
        try:
            yield World(
                provider=a_robokassa(http, server.url),
                stranger=a_robokassa(http, server.url, password_2=WRONG),
                orphan=a_robokassa(http, await closed_address()),
                secrets=(*PASSWORDS.values(), WRONG),
                control=Control(http, server.url, hook, emulator),
                unknown_id="987654321",
                calls_to_open=False,
                keyed=False,
                declined="expired",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()


@asynccontextmanager
async def emulated_freekassa() -> AsyncIterator[World]:
    http = Http()
    async with recording() as hook:
        emulator = FreekassaEmulator(Store(":memory:"), notify_url=f"{hook.url}/hooks/freekassa/x", **WORDS)
        server = await serve(emulator.app)
        try:
            yield World(
                provider=a_freekassa(http, server.url),
                stranger=a_freekassa(http, server.url, api_key=WRONG),
                orphan=a_freekassa(http, await closed_address()),
                secrets=(*WORDS.values(), WRONG),
                control=Control(http, server.url, hook, emulator),
                unknown_id="987654321",
                calls_to_open=False,
                keyed=False,
                declined="general_decline",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()
