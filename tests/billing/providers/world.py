"""One provider in its surroundings, whichever it is, and the other side of that world."""

import itertools
import os
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from ferryman.billing.provider import (
    Claim,
    Fact,
    Opened,
    PaymentProvider,
    PaymentRequest,
    ProviderTools,
    RawWebhook,
    RefundRequest,
)
from ferryman.kit.clock import Clock, SystemClock
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from ferryman_sandbox.emulator import Emulator, serve
from tests.billing.providers.recorder import Recorder, recording

# A real service remembers the numbers of the last run.
NUMBERS = itertools.count(random.randrange(1_000, 1_000_000_000))


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
    currency: str = "RUB"
    way: str = ""
    contact: str = ""
    unknown_id: str = "00000000-000f-5000-8000-000000000000"
    """Shaped like one of the provider's ids, and unknown over there."""
    calls_to_open: bool = True
    """`open` asks the service; otherwise it makes an address and calls nobody."""
    keyed: bool = True
    """Two requests are told apart by the idempotency key; otherwise by our ref alone."""
    creation: str = "payments"
    """A part of the path that a payment is made at."""
    refunding: str = "refunds"
    """A part of the path that a refund is made at."""
    declined: str | None = "insufficient_funds"
    """The reason that `control.decline` leads to; None where nobody declines."""
    seen_unpaid: bool = True
    """A payment can be seen over there before somebody makes it."""

    def money(self, minor: int = 19900) -> Money:
        return Money(minor, self.currency)

    def request(self, **changes: Any) -> PaymentRequest:
        usual: dict[str, Any] = {"amount": self.money(), "way": self.way, "contact": self.contact}
        hook_url = {"hook_url": f"{self.control.hook.url}/hooks/x/y"} if self.control is not None else {}
        return replace(a_request(currency=self.currency), **(usual | hook_url | changes))

    def read(self, raw: RawWebhook) -> Claim:
        """What a notification claims, by whichever verb the provider hears of its payments."""
        return self.provider.read_webhook(raw)

    async def id_of(self, opened: Opened, request: PaymentRequest) -> str:
        """The provider's id of what was opened; one that has it only when the payer has come is asked for it then."""
        if opened.external_id is not None:
            return opened.external_id
        if self.control is not None:
            await self.control.visit(opened.pay_url)
        found = await self.provider.find(request)
        assert found is not None
        return found.external_id

    async def opened(self, **changes: Any) -> str:
        """The provider's id of a payment that waits to be made."""
        request = self.request(**changes)
        return await self.id_of(await self.provider.open(request), request)

    async def paid(self, **changes: Any) -> tuple[PaymentRequest, Fact]:
        """A payment that somebody made."""
        assert self.control is not None
        request = self.request(**changes)
        external_id = await self.id_of(await self.provider.open(request), request)
        await self.control.pay(external_id)
        return request, await self.provider.look_up(external_id)

    def refund(self, request: PaymentRequest, fact: Fact, minor: int = 0) -> RefundRequest:
        """All of a payment, or some minor units of it."""
        return RefundRequest(
            ref=f"ref_{uuid.uuid4().hex[:16]}",
            payment_external_id=fact.external_id,
            payment_ref=request.ref,
            amount=self.money(minor) if minor else fact.amount,
            whole=not minor,
            idempotency_key=uuid.uuid4().hex,
            payer=request.payer,
            description="We are sorry",
            contact=request.contact,
        )


@dataclass
class Control:
    """The world's other side. Moves are made over the emulator's own control routes.

    Another emulator's routes: a subclass.
    """

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

    async def visit(self, pay_url: str) -> None:
        """The payer comes to the page."""
        answer = await self.http.request("GET", pay_url)
        assert answer.status in (200, 303), answer.body

    async def hold(self, external_id: str) -> None:
        await self.post(f"payments/{external_id}/wait")

    async def decline(self, external_id: str) -> None:
        await self.post(f"payments/{external_id}/decline", {"reason": "insufficient_funds"})

    async def payments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get("payments")
        return found

    async def webhooks(self, count: int) -> list[RawWebhook]:
        """The notifications received so far, once there are `count`."""
        seen = await self.hook.wait_for(count)
        return [RawWebhook(one.body, one.headers, one.remote, one.raw_query) for one in seen]


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
        payer=7,
        number=next(NUMBERS),
    )


async def closed_address() -> str:
    """Where nobody listens any more."""
    async with recording() as recorder:
        return recorder.url


W = TypeVar("W", bound=World)


@asynccontextmanager
async def emulated(
    kind: type[W],
    provider: Callable[..., PaymentProvider],
    emulator: Callable[[str], Emulator],
    *,
    path: str = "",
    wrong: Mapping[str, str],
    secrets: Iterable[str],
    control: Callable[[Http, str, Recorder, Any], Control] = Control,
    **traits: Any,
) -> AsyncIterator[W]:
    """A world around an emulator on loopback.

    `provider(http, api_base, **settings)` is built thrice: as it should be, with the settings in `wrong`, and where
    nobody listens. `emulator(hook)` is given where its webhooks may go; its API is at `path`. `traits` are the world's.
    """
    http = Http()
    async with recording() as hook:
        over_there = emulator(f"{hook.url}/hooks/x/y")
        server = await serve(over_there.app)
        try:
            yield kind(
                provider=provider(http, f"{server.url}{path}"),
                stranger=provider(http, f"{server.url}{path}", **wrong),
                orphan=provider(http, f"{await closed_address()}{path}"),
                secrets=(*secrets, *wrong.values()),
                control=control(http, server.url, hook, over_there),
                **traits,
            )
        finally:
            await http.close()
            await server.stop()
            over_there.store.close()


def emulator_tools(http: Http, clock: Clock | None = None, **more: Any) -> ProviderTools:
    """What a provider gets when it calls an emulator."""
    return ProviderTools(http, clock or SystemClock(), sandbox=True, **more)


@dataclass(frozen=True)
class Place:
    """Where a suite may run, and the environment variables without which it cannot."""

    enter: Callable[[], AbstractAsyncContextManager[World]]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if not os.environ.get(name)]


def days_from_now(days: float) -> FixedClock:
    return FixedClock(datetime.fromtimestamp(datetime.now(UTC).timestamp() + days * 86400, UTC))
