"""The port's verbs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import ClassVar

from pydantic import BaseModel

import ferryman.billing.providers.yookassa.shapes as shapes
import ferryman.billing.providers.yookassa.writing as writing
from ferryman.billing.provider import (
    Claim,
    Fact,
    Opened,
    PaymentRequest,
    PaymentState,
    ProviderTools,
    RawWebhook,
    RefundFact,
    RefundRequest,
    RefundState,
    Way,
)
from ferryman.billing.providers.yookassa.api import Api, Json, items
from ferryman.billing.providers.yookassa.settings import REAL_API, ShopConfig
from ferryman.billing.providers.yookassa.ways import CURRENCIES, WAYS
from ferryman.kit.errors import AccessDenied, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.money import Money
from ferryman.kit.remote import line_asked, line_of, refuse_play

CLOCKS_APART = timedelta(hours=1)
# A key is forgotten after 24 hours, and the same request would be a second payment.
KEY_IS_SAFE = timedelta(hours=23)
SEARCH_PAGES = 50
LISTED_PAGES = 1000


class YooKassa:
    """The provider. `open` answers an empty `pay_url` when the payment it finds again has nothing left to pay.

    A way of "" lets the payer choose on the payment page; it is offered to nobody, and what was begun so goes on.
    """

    name: ClassVar[str] = "yookassa"
    title: ClassVar[Mapping[str, str]] = {"ru": "Банковская карта, СБП", "en": "Card or SBP"}
    icon: ClassVar[str] = "💳"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = WAYS
    partly: ClassVar[bool] = True
    Config: ClassVar[type[BaseModel]] = ShopConfig

    def __init__(self, config: ShopConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address, and for play money, outside the sandbox."""
        refuse_play("YooKassa", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=config.play_money)
        self._config = config
        self._clock = tools.clock
        self._api = Api(config, tools.http)

    @property
    def test_mode(self) -> bool:
        return self._config.play_money

    @property
    def needs_contact(self) -> bool:
        return self._config.asks_for_contact

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """Nothing but 200 ends its asking, which goes on for a day."""
        return (200, "") if claim is not None else (400, "")

    async def open(self, request: PaymentRequest) -> Opened:
        """Raises Conflict when the key was used for another body: settings or order changed since the first try."""
        key = writing.checked_key(request.idempotency_key)
        body = writing.creation(request, self._config.return_url, self._config.receipt)
        payment = await self._api.create(body, key)
        return Opened(shapes.id_of(payment), shapes.pay_url(payment))

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """Who sent it is looked at only where the settings name networks: a forged claim costs one read of the truth,
        a wrong proxy header would cost real ones."""
        if self._config.senders and not self._is_known(raw.remote_ip):
            raise Refused("The notification does not come from a network that the settings name.")
        return shapes.claim(raw.body)

    async def look_up(self, external_id: str) -> Fact:
        return await self._counted(await self._api.get(_path("payments", external_id)), external_id)

    async def find(self, request: PaymentRequest) -> Fact | None:
        """Looks through what was created since the request was placed, as the API cannot search by metadata.

        Raises Busy when there is more than it is willing to read: the answer would not be certain.
        """
        matches: list[Fact] = []
        since = {"created_at.gte": _moment(request.placed_at - CLOCKS_APART)}
        async for payment in self._api.pages("/payments", since, SEARCH_PAGES):
            if shapes.named(payment, "payment_id") == request.ref:
                matches.append(await self._counted(payment))
                if matches[-1].state is PaymentState.SUCCEEDED:
                    return matches[-1]
        alive = (PaymentState.HELD, PaymentState.PENDING)
        return next((fact for fact in matches if fact.state in alive), next(iter(matches), None))

    async def check(self) -> str:
        """Raises Misconfigured when the shop's payments are test payments and the settings say live, or the reverse."""
        newest = items(await self._api.get("/payments", {"limit": "1"}))
        if newest and newest[0].get("test") is not self.test_mode:
            raise Misconfigured(
                f"Shop {self._config.shop_id} and its settings disagree on whether its money is real.",
                f"Set `test` to {str(not self.test_mode).lower()}, or use the other shop's key.",
            )
        return f"YooKassa shop {self._config.shop_id} accepts the key ({'test' if self.test_mode else 'real'} money)."

    async def capture(self, external_id: str, amount: Money, idempotency_key: str) -> Fact:
        """Raises Refused when it is neither held nor taken already."""
        path = _path("payments", external_id) + "/capture"
        body = {"amount": writing.amount(amount)}
        try:
            return shapes.fact(await self._api.post(path, body, writing.checked_key(idempotency_key)))
        except (AccessDenied, NotFound):
            raise
        except Refused:
            fact = await self.look_up(external_id)
            if fact.state is not PaymentState.SUCCEEDED:
                raise
            return fact

    async def charge(self, request: PaymentRequest, token: str) -> Fact:
        if self._clock.now() - request.placed_at > KEY_IS_SAFE:
            found = await self.find(request)
            if found is not None:
                return found
        body = writing.charge(request, token, self._config.receipt)
        made = shapes.fact(await self._api.post("/payments", body, writing.checked_key(request.idempotency_key)))
        # A repeated key may answer with what was true the first time.
        return made if made.state is not PaymentState.PENDING else await self.look_up(made.external_id)

    async def refund(self, request: RefundRequest) -> RefundFact:
        """Looks for an earlier one first: a key is forgotten after a day, and a second refund would be real."""
        earlier = await self.look_up_refund(request, None)
        if earlier is not None:
            return earlier
        body = writing.refund(request, self._config.receipt)
        return shapes.refund_fact(await self._api.post("/refunds", body, writing.checked_key(request.idempotency_key)))

    async def look_up_refund(self, request: RefundRequest, external_id: str | None) -> RefundFact | None:
        """A refund that failed is heard of in this way only: nothing is pushed."""
        if external_id is not None:
            return shapes.refund_fact(await self._api.get(_path("refunds", external_id)))
        async for refund in self._refunds_of(request.payment_external_id):
            if refund.ref == request.ref:
                return refund
        return None

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """With those that were refunded in this time, whenever they were paid."""
        seen: set[str] = set()
        for moment in ("created_at", "captured_at"):
            between = {f"{moment}.gte": _moment(since), f"{moment}.lt": _moment(until)}
            async for payment in self._api.pages("/payments", between, LISTED_PAGES):
                fact = line_of("YooKassa", shapes.fact, payment)
                if fact is not None and fact.external_id not in seen:
                    seen.add(fact.external_id)
                    counted = await line_asked("YooKassa", self._counted(payment), payment)
                    if counted is not None:
                        yield counted
        between = {"created_at.gte": _moment(since), "created_at.lt": _moment(until)}
        async for refund in self._api.pages("/refunds", between, LISTED_PAGES):
            known = line_of("YooKassa", shapes.refund_fact, refund)
            if known is not None and known.payment_external_id not in seen:
                seen.add(known.payment_external_id)
                line = {"id": known.payment_external_id}
                paid = await line_asked("YooKassa", self.look_up(known.payment_external_id), line)
                if paid is not None:
                    yield paid

    async def _counted(self, payment: Json, asked: str | None = None) -> Fact:
        """The fact with only those refunds in it that came about: the payment's own sum may count one that waits."""
        fact = shapes.fact(payment)
        if asked is not None and fact.external_id != asked:
            raise Unreachable("YooKassa's answer speaks of another payment.")
        if fact.refunded is None or fact.refunded.minor <= 0:
            return fact
        done = 0
        async for refund in self._refunds_of(fact.external_id):
            if refund.state is RefundState.SUCCEEDED and refund.amount.currency == fact.amount.currency:
                done += refund.amount.minor
        return replace(fact, refunded=Money(done, fact.amount.currency))

    async def _refunds_of(self, payment_id: str) -> AsyncIterator[RefundFact]:
        async for refund in self._api.pages("/refunds", {"payment_id": payment_id}, SEARCH_PAGES):
            yield shapes.refund_fact(refund)

    def _is_known(self, sender: str) -> bool:
        try:
            address = ip_address(sender)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._config.senders)


def _path(kind: str, external_id: str) -> str:
    """An id of another shape could lead the call elsewhere."""
    if not shapes.ID.fullmatch(external_id):
        raise NotFound(f"YooKassa has none of its {kind} under that id: it is not shaped like one.")
    return f"/{kind}/{external_id}"


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
