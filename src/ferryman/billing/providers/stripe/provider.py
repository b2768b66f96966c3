"""The port's verbs, in Stripe's words."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import BaseModel

import ferryman.billing.providers.stripe.shapes as shapes
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
    Way,
)
from ferryman.billing.providers.stripe.api import AlreadyRefunded, Api
from ferryman.billing.providers.stripe.settings import REAL_API, AccountConfig
from ferryman.billing.providers.stripe.shapes import INTENT, SESSION, Json
from ferryman.billing.providers.stripe.webhook import claim_of, must_be_signed
from ferryman.kit import remote
from ferryman.kit.errors import AccessDenied, Misconfigured, NotFound, Refused, Unreachable

# Those where Stripe's smallest unit is ours; it knows more.
CURRENCIES: tuple[str, ...] = (
    "EUR",
    "USD",
    "GBP",
    "RUB",
    "PLN",
    "CZK",
    "RON",
    "SEK",
    "NOK",
    "DKK",
    "CHF",
    "TRY",
    "ILS",
)
CURRENCIES += ("AED", "KZT", "GEL", "AMD", "UAH", "CAD", "AUD", "INR", "BRL", "JPY")
# Stripe's published minima, as far as it names them.
LEAST = {"EUR": 50, "USD": 50, "GBP": 30, "PLN": 200, "CZK": 1500, "RON": 200, "SEK": 300, "NOK": 300, "DKK": 250}
LEAST |= {"CHF": 50, "AED": 200, "CAD": 50, "AUD": 50, "INR": 50, "BRL": 50, "JPY": 50}
LONGEST_KEY = 255
CLOCKS_APART = timedelta(hours=1)
SESSION_LIFE = timedelta(hours=24)


class Stripe:
    """The provider. `open` answers an empty `pay_url` when the session it finds again has nothing left to pay."""

    name: ClassVar[str] = "stripe"
    title: ClassVar[Mapping[str, str]] = {"ru": "Банковская карта (Stripe)", "en": "Card (Stripe)"}
    icon: ClassVar[str] = "💳"
    currencies: ClassVar[tuple[str, ...]] = CURRENCIES
    ways: ClassVar[tuple[Way, ...]] = (Way("", icon, title, least=LEAST, keeps=True),)
    partly: ClassVar[bool] = True
    needs_contact: ClassVar[bool] = False
    # A card's owner has four months to dispute, and a bank takes two to decide.
    watched_for: ClassVar[timedelta] = timedelta(days=180)
    Config: ClassVar[type[BaseModel]] = AccountConfig

    def __init__(self, config: AccountConfig, tools: ProviderTools) -> None:
        """Raises Misconfigured for an emulator's address or a test key outside the sandbox."""
        self._config = config
        self._tools = tools
        self._api = Api(config, tools.http)
        remote.refuse_play("Stripe", config.api_base, REAL_API, sandbox=tools.sandbox, play_money=self.test_mode)

    @property
    def test_mode(self) -> bool:
        return "_test_" in self._config.secret_key.get_secret_value()[:8]

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """A wrong signature shows up red in the dashboard, and is sent again for days: time to mend the secret."""
        return (200, "") if claim is not None else (400, "")

    async def open(self, request: PaymentRequest) -> Opened:
        """Raises Conflict when the key was used for another body: settings or order changed since the first try."""
        self._must_be_collectable(request)
        session = await self._api.post(
            "/checkout/sessions", shapes.creation(request, self._return_url(request)), request.idempotency_key
        )
        return Opened(shapes.id_of(session, SESSION), shapes.pay_url(session))

    def read_webhook(self, raw: RawWebhook) -> Claim:
        """An event that is about no payment is a Claim on its own id: one that is refused would be sent for days."""
        must_be_signed(raw, self._config, self._tools.clock.now())
        return claim_of(raw)

    async def look_up(self, external_id: str) -> Fact:
        """Takes the id of a session, and of a PaymentIntent: the Fact is then its session's, if it has one."""
        if INTENT.fullmatch(external_id):
            return await self._look_up_intent(external_id)
        if not SESSION.fullmatch(external_id):
            raise NotFound("Stripe has no payment of that id: it is not shaped like one.")
        session = await self._api.get(f"/checkout/sessions/{external_id}", {"expand[]": shapes.BOOKS})
        if shapes.id_of(session, SESSION) != external_id:
            raise Unreachable("Stripe's answer speaks of another session.")
        return await self._fact(session)

    async def find(self, request: PaymentRequest) -> Fact | None:
        """Looks through what was created since the request was placed: Stripe's own search lags behind.

        Raises Busy when there is more than it is willing to read: the answer would not be certain.
        """
        since = request.placed_at - CLOCKS_APART
        found = [
            await self._fact(thing) async for thing in self._created(since, None) if shapes.ref_of(thing) == request.ref
        ]
        order = (PaymentState.SUCCEEDED, PaymentState.PENDING, PaymentState.CANCELLED)
        return min(found, key=lambda fact: order.index(fact.state), default=None)

    async def withdraw(self, external_id: str) -> Fact:
        """Only what is open expires at our word; what it is otherwise by then is the answer."""
        if SESSION.fullmatch(external_id):
            try:
                await self._api.post(f"/checkout/sessions/{external_id}/expire", {}, f"expire-{external_id}")
            except (AccessDenied, NotFound):
                raise
            except Refused:
                pass
        return await self.look_up(external_id)

    async def charge(self, request: PaymentRequest, token: str) -> Fact:
        """A decline is a Fact that is CANCELLED, its reason the bank's word for it."""
        instrument = shapes.TOKEN.fullmatch(token)
        if instrument is None:
            raise Refused("This is no card that Stripe keeps.")
        self._must_be_collectable(request)
        body = shapes.charging(request, customer=instrument[1], card=instrument[2])
        return await self._fact(await self._api.post("/payment_intents", body, request.idempotency_key))

    async def refund(self, request: RefundRequest) -> RefundFact:
        intent_id = await self._intent_of(request.payment_external_id)
        if intent_id is None:
            raise Refused("Nothing was paid in that session, so there is nothing to give back.")
        body = {
            "payment_intent": intent_id,
            "reason": "requested_by_customer",
            "metadata[refund_id]": request.ref,
            "metadata[payment_id]": request.payment_ref,
        }
        if not request.whole:
            body["amount"] = str(request.amount.minor)
        try:
            refund = await self._api.post("/refunds", body, request.idempotency_key)
        except AlreadyRefunded:
            done = await self._refunds_of(intent_id)
            if not done:
                raise
            refund = next(
                (one for one in done if shapes.part(one, "metadata").get("refund_id") == request.ref), done[0]
            )
        return shapes.refund_fact(refund, request)

    async def look_up_refund(self, request: RefundRequest, external_id: str | None) -> RefundFact | None:
        """Looked for among the refunds of its payment, by our ref or by its id."""
        intent_id = await self._intent_of(request.payment_external_id)
        for refund in await self._refunds_of(intent_id) if intent_id is not None else ():
            if refund.get("id") == external_id or shapes.part(refund, "metadata").get("refund_id") == request.ref:
                return shapes.refund_fact(refund, request)
        return None

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        """Sessions live for a day, so those from a day before may have been paid in this time. With those that were
        refunded or disputed in it, whenever they were paid."""
        seen: set[str] = set()
        async for thing in self._created(since - SESSION_LIFE, until):
            seen.add(str((shapes.part(thing, "payment_intent") or thing).get("id")))
            fact = await remote.line_asked("Stripe", self._fact(thing), thing)
            if fact is not None:
                yield fact
        for path in ("/refunds", "/disputes"):
            async for moved in self._api.pages(path, _between(since, until)):
                intent_id = remote.matching(moved.get("payment_intent"), INTENT)
                if intent_id is None or intent_id in seen:
                    continue
                seen.add(intent_id)
                fact = await remote.line_asked("Stripe", self._look_up_intent(intent_id), {"id": intent_id})
                # The account may take money for others, too.
                if fact is not None and fact.ref is not None:
                    yield fact

    async def check(self) -> str:
        """Raises Misconfigured when key and account disagree on whether the money is real."""
        live = (await self._api.get("/balance")).get("livemode")
        if live is not (not self.test_mode):
            raise Misconfigured("Stripe's key and its account disagree on whether money is real.", "Use another key.")
        return f"Stripe accepts the key ({'test' if self.test_mode else 'real'} money)."

    def _must_be_collectable(self, request: PaymentRequest) -> None:
        if not 1 <= len(request.idempotency_key) <= LONGEST_KEY or not shapes.REF.fullmatch(request.ref):
            raise Refused("An idempotency key for Stripe is 1 to 255 characters.")
        request.must_be_in(self.currencies, "Stripe")

    def _return_url(self, request: PaymentRequest) -> str:
        return_url = remote.page_address(self._config.return_url or request.return_url)
        if not return_url:
            raise Misconfigured("Stripe must know where the payer returns.", "Set return_url in its settings.")
        return return_url

    async def _look_up_intent(self, intent_id: str) -> Fact:
        asked = {"payment_intent": intent_id, "limit": "1", "expand[]": f"data.{shapes.BOOKS}"}
        sessions = shapes.items(await self._api.get("/checkout/sessions", asked))
        if sessions:
            return await self._fact(sessions[0])
        expand = {"expand[]": shapes.BOOKS.partition(".")[2]}
        intent = await self._api.get(f"/payment_intents/{intent_id}", expand)
        if shapes.id_of(intent, INTENT) != intent_id:
            raise Unreachable("Stripe's answer speaks of another payment.")
        return await self._fact(intent)

    async def _intent_of(self, external_id: str) -> str | None:
        """The PaymentIntent of a session; None while nobody has tried to pay."""
        if INTENT.fullmatch(external_id):
            return external_id
        if not SESSION.fullmatch(external_id):
            raise NotFound("Stripe has no payment of that id: it is not shaped like one.")
        session = await self._api.get(f"/checkout/sessions/{external_id}")
        return remote.matching(session.get("payment_intent"), INTENT)

    async def _refunds_of(self, intent_id: str) -> list[Json]:
        return [one async for one in self._api.pages("/refunds", {"payment_intent": intent_id})]

    async def _created(self, since: datetime, until: datetime | None) -> AsyncIterator[Json]:
        """Sessions, then the intents that came of none: charges of kept cards."""
        asked = _between(since, until)
        async for session in self._api.pages("/checkout/sessions", asked | {"expand[]": f"data.{shapes.BOOKS}"}):
            if session.get("mode") == "payment":
                yield session
        books = shapes.BOOKS.partition(".")[2]
        async for intent in self._api.pages("/payment_intents", asked | {"expand[]": f"data.{books}"}):
            if shapes.part(intent, "metadata").get("born") == "charge":
                yield intent

    async def _fact(self, thing: Json) -> Fact:
        """Of a session or of a charge's PaymentIntent. Raises Unreachable when it lacks what every one has."""
        is_session = thing.get("object") == "checkout.session"
        intent = shapes.part(thing, "payment_intent") if is_session else thing
        charge = shapes.part(intent, "latest_charge")
        live, amount = thing.get("livemode"), shapes.money(thing.get("amount_total" if is_session else "amount"), thing)
        if amount is None or not isinstance(live, bool) or not isinstance(thing.get("status"), str):
            raise Unreachable("Stripe's answer about a payment cannot be read.")
        state, reason = shapes.session_state(thing, intent) if is_session else shapes.intent_state(intent)
        fact = Fact(
            shapes.id_of(thing, SESSION if is_session else INTENT),
            shapes.ref_of(thing),
            state,
            amount,
            not live,
            reason,
        )
        if state is not PaymentState.SUCCEEDED:
            return fact
        fee, details = shapes.fee(charge, amount)
        refunded = shapes.money(charge.get("amount_refunded"), charge)
        if refunded is not None and refunded.minor:
            refunded = shapes.given_back(await self._refunds_of(shapes.id_of(intent, INTENT)), amount)
        disputes = await self._disputes(intent) if charge.get("disputed") is True else []
        return Fact(
            fact.external_id,
            fact.ref,
            state,
            amount,
            fact.test,
            fee=fee,
            refunded=refunded,
            charged_back=shapes.taken_back(disputes, amount),
            dispute_fee=shapes.dispute_fee(disputes, amount.currency),
            kept=shapes.kept(thing, intent, charge) if is_session else None,
            details=details,
        )

    async def _disputes(self, intent: Json) -> list[Json]:
        asked = {"payment_intent": shapes.id_of(intent, INTENT)}
        return [dispute async for dispute in self._api.pages("/disputes", asked)]


def _between(since: datetime, until: datetime | None) -> dict[str, str]:
    asked = {"created[gte]": str(int(since.timestamp()))}
    return asked if until is None else asked | {"created[lte]": str(int(until.timestamp()) + 1)}
