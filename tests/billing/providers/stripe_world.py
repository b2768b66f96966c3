"""Stripe's surroundings: its emulator."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from ferryman.billing.providers.stripe import Stripe
from ferryman.billing.providers.stripe.settings import AccountConfig
from ferryman.kit.clock import Clock
from ferryman.kit.http import Http
from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe import StripeEmulator
from tests.billing.providers.world import World, emulated, emulator_tools

SECRET_KEY = "sk_test_of_the_emulated_account"
WEBHOOK_SECRET = "whsec_of_the_emulated_account"


def stripe(http: Http, api_base: str, clock: Clock | None = None, **settings: Any) -> Stripe:
    config = {"secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET, "api_base": api_base} | settings
    return Stripe(AccountConfig.model_validate(config), emulator_tools(http, clock))


def emulated_stripe() -> AbstractAsyncContextManager[World]:
    secrets: dict[str, Any] = {"secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET}
    return emulated(
        World,
        stripe,
        lambda hook: StripeEmulator(Store(":memory:"), notify_url=hook, **secrets),
        path="/v1",
        wrong={"secret_key": "sk_test_a_wrong_one"},
        secrets=secrets.values(),
        currency="EUR",
        unknown_id="cs_test_of_nobody",
        creation="/v1/",
    )
