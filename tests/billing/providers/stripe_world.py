"""Stripe's surroundings: its emulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ferryman.billing.provider import ProviderTools
from ferryman.billing.providers.stripe import Stripe
from ferryman.billing.providers.stripe.settings import AccountConfig
from ferryman.kit.clock import Clock, SystemClock
from ferryman.kit.http import Http
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe import StripeEmulator
from tests.billing.providers.recorder import recording
from tests.billing.providers.world import Control, World, closed_address

SECRET_KEY = "sk_test_of_the_emulated_account"
WEBHOOK_SECRET = "whsec_of_the_emulated_account"


def stripe(http: Http, api_base: str, clock: Clock | None = None, **settings: Any) -> Stripe:
    config = {"secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET, "api_base": api_base} | settings
    return Stripe(AccountConfig.model_validate(config), ProviderTools(http, clock or SystemClock(), sandbox=True))


@asynccontextmanager
async def emulated_stripe() -> AsyncIterator[World]:
    http, wrong = Http(), "sk_test_a_wrong_one"
    async with recording() as hook:
        emulator = StripeEmulator(
            Store(":memory:"),
            secret_key=SECRET_KEY,
            webhook_secret=WEBHOOK_SECRET,
            notify_url=f"{hook.url}/hooks/stripe/x",
        )
        server = await serve(emulator.app)
        try:
            yield World(
                provider=stripe(http, f"{server.url}/v1"),
                stranger=stripe(http, f"{server.url}/v1", secret_key=wrong),
                orphan=stripe(http, f"{await closed_address()}/v1"),
                secrets=(SECRET_KEY, WEBHOOK_SECRET, wrong),
                control=Control(http, server.url, hook, emulator),
                currency="EUR",
                unknown_id="cs_test_of_nobody",
                creation="/v1/",
            )
        finally:
            await http.close()
            await server.stop()
            emulator.store.close()
