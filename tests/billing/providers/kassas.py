"""Robokassa and Freekassa in their surroundings: shops behind a signed link, seen over there when the payer comes."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from ferryman.billing.providers import freekassa, robokassa
from ferryman.kit.http import Http
from ferryman_sandbox.freekassa import FreekassaEmulator
from ferryman_sandbox.robokassa import RobokassaEmulator
from ferryman_sandbox.store import Store
from tests.billing.providers.world import World, emulated, emulator_tools

PASSWORDS: dict[str, Any] = {"password_1": "emulated_password_1", "password_2": "emulated_password_2"}
WORDS: dict[str, Any] = {
    "api_key": "emulated_api_key",
    "secret_word_1": "emulated_word_1",
    "secret_word_2": "emulated_word_2",
}
WRONG = "a_wrong_one"
TRAITS: dict[str, Any] = {"unknown_id": "987654321", "calls_to_open": False, "keyed": False}


def a_robokassa(http: Http, api_base: str, **settings: Any) -> robokassa.Robokassa:
    config = {"login": "demo", "api_base": api_base, "test": True} | PASSWORDS | settings
    return robokassa.Robokassa(robokassa.ShopConfig.model_validate(config), emulator_tools(http))


def a_freekassa(http: Http, url: str, **settings: Any) -> freekassa.Freekassa:
    config = {"shop_id": 777, "api_base": f"{url}/v1", "page": url} | WORDS | settings
    return freekassa.Freekassa(freekassa.ShopConfig.model_validate(config), emulator_tools(http))


def emulated_robokassa() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        a_robokassa,
        lambda hook: RobokassaEmulator(Store(":memory:"), notify_url=hook, **PASSWORDS),
        wrong={"password_2": WRONG},
        secrets=PASSWORDS.values(),
        declined="expired",
        **TRAITS,
    )


def emulated_freekassa() -> AbstractAsyncContextManager[World]:
    return emulated(
        World,
        a_freekassa,
        lambda hook: FreekassaEmulator(Store(":memory:"), notify_url=hook, **WORDS),
        wrong={"api_key": WRONG},
        secrets=WORDS.values(),
        declined="general_decline",
        **TRAITS,
    )
