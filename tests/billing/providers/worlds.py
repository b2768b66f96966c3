"""Where each payment provider's contract suite runs: an emulator always, the real service when its keys are given."""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ferryman.billing.provider import PaymentProvider, PaymentRequest, ProviderTools, RawWebhook
from ferryman.billing.providers.yookassa import ShopConfig, YooKassa
from ferryman.kit.clock import SystemClock
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa import YooKassaEmulator
from tests.billing.providers.recorder import Recorder, recording

EMULATED_KEY = "test_secret_of_the_emulated_shop"


@dataclass(frozen=True)
class FixedClock:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


@dataclass
class World:
    """One provider in its surroundings. `control` is None where nobody can be made to pay: at the real service."""

    provider: PaymentProvider
    stranger: PaymentProvider
    """The same service, called with credentials that are wrong."""
    orphan: PaymentProvider
    """The same provider, its service not answering at all."""
    secrets: tuple[str, ...]
    control: "Control | None" = None

    def request(self, **changes: Any) -> PaymentRequest:
        return replace(a_request(), **changes)


@dataclass
class Control:
    """The world's other side. Moves are made over the emulator's own control routes."""

    http: Http
    url: str
    hook: Recorder
    emulator: Any

    async def post(self, path: str, body: Any = None) -> Any:
        answer = await self.http.request("POST", f"{self.url}/__emu/{path}", json_body=body or {})
        assert answer.status == 200, answer.body
        return answer.json()

    async def get(self, path: str) -> Any:
        return (await self.http.request("GET", f"{self.url}/__emu/{path}")).json()

    async def fault(self, **spec: Any) -> None:
        await self.post("faults", spec)

    async def pay(self, external_id: str) -> None:
        await self.post(f"payments/{external_id}/pay")

    async def decline(self, external_id: str) -> None:
        await self.post(f"payments/{external_id}/decline", {"reason": "insufficient_funds"})

    async def payments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get("payments")
        return found

    async def webhooks(self, count: int) -> list[RawWebhook]:
        """The notifications received so far, once there are `count`."""
        seen = await self.hook.wait_for(count)
        return [RawWebhook(one.body, one.headers, one.remote) for one in seen]


def a_request(amount: str = "199", currency: str = "RUB") -> PaymentRequest:
    ref = f"pay_{uuid.uuid4().hex[:16]}"
    return PaymentRequest(
        ref=ref,
        order_ref=f"order_{uuid.uuid4().hex[:16]}",
        amount=Money.parse(amount, currency),
        description="30 days, three locations",
        language="en",
        return_url="https://t.me/ferryman_bot",
        idempotency_key=f"{ref}-1",
        placed_at=datetime.now(UTC),
    )


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
                orphan=yookassa(http, f"{await _closed_address()}/v3"),
                secrets=(EMULATED_KEY, "test_a_wrong_one"),
                control=Control(http, server.url, hook, emulator),
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
            orphan=yookassa(http, f"{await _closed_address()}/v3"),
            secrets=(key, "test_a_wrong_one"),
        )
    finally:
        await http.close()


async def _closed_address() -> str:
    """Where nobody listens any more."""
    async with recording() as recorder:
        return recorder.url


@dataclass(frozen=True)
class Place:
    """Where a suite may run, and the environment variables without which it cannot."""

    enter: Callable[[], AbstractAsyncContextManager[World]]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if not os.environ.get(name)]


PLACES: dict[str, dict[str, Place]] = {
    "yookassa": {
        "emulator": Place(emulated_yookassa),
        "real": Place(real_yookassa, ("FERRYMAN_TEST_YOOKASSA_SHOP_ID", "FERRYMAN_TEST_YOOKASSA_SECRET_KEY")),
    }
}


def days_from_now(days: float) -> FixedClock:
    return FixedClock(datetime.fromtimestamp(datetime.now(UTC).timestamp() + days * 86400, UTC))
