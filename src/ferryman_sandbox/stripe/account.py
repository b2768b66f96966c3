"""The merchant's account: sessions that get paid, kept cards, refunds, disputes, and what is told of them."""

import json
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ferryman_sandbox.stripe.forms as forms
from ferryman_sandbox.payments import Deadlines
from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe.errors import ApiError, invalid
from ferryman_sandbox.stripe.records import PREFIXES, Json, Records

API_VERSION = "2024-06-20"
SESSION_LIFE = 24 * 3600
LEAST = {"usd": 50, "eur": 50, "gbp": 30, "pln": 200, "jpy": 50}
LARGEST = 99_999_999
DISPUTE_FEE = 1500
CURRENCY_LENGTH = 3
HEARD = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "refund.failed",
    "refund.updated",
)
DECLINES = ("insufficient_funds", "expired_card", "incorrect_cvc", "lost_card", "do_not_honor", "generic_decline")
OFF_SESSION_DECLINES = (*DECLINES, "authentication_required")


class Account:
    """`announce(body)` is called with an event's text after each change that the endpoint hears of."""

    def __init__(self, store: Store, now: Callable[[], float], announce: Callable[[str], None]) -> None:
        self._store = store
        self._now = now
        self._announce = announce
        self.records = Records(store, now)
        self.deadlines = Deadlines(now, self._overdue)
        for session in self.records.all("session"):
            self._keep(session)

    def create_session(self, given: Json, site: str) -> Json:
        if given.get("mode") != "payment":
            raise invalid("mode", "Only mode=payment is modelled here", "parameter_invalid")
        if not str(given.get("success_url", "")).startswith(("https://", "http://")):
            raise invalid("success_url", "Not a valid URL", "url_invalid")
        amount, currency, product = _bought(given)
        intent = forms.section(given, "payment_intent_data")
        customer = self.records.new("customer") if given.get("customer_creation") == "always" else None
        session = self.records.new(
            "session",
            mode="payment",
            status="open",
            payment_status="unpaid",
            amount_subtotal=amount,
            amount_total=amount,
            currency=currency,
            client_reference_id=given.get("client_reference_id"),
            customer=customer["id"] if customer else None,
            customer_email=given.get("customer_email"),
            locale=given.get("locale"),
            metadata=forms.metadata(given),
            payment_intent=None,
            success_url=given["success_url"],
            cancel_url=given.get("cancel_url"),
            expires_at=int(self._now()) + SESSION_LIFE,
        )
        session["url"] = f"{site}/pay/{session['id']}"
        plan = {"metadata": forms.metadata(intent), "keep": intent.get("setup_future_usage") == "off_session"}
        self._store.put("plan", session["id"], plan | {"product": product})
        self._keep(session)
        return session

    def session(self, id_: str) -> Json:
        self.deadlines.let_time_pass()
        return self.records.get("session", id_)

    def product(self, session: Json) -> str:
        plan = self._store.get("plan", session["id"])
        return str(plan["product"]) if plan else ""

    def pay(self, id_: str) -> Json:
        """The payer's card, or the bank that took its time, pays."""
        session = self._payable(id_)
        late = session["status"] == "complete"
        intent = self._intent_of(session)
        self._collect(intent)
        session |= {"status": "complete", "payment_status": "paid", "url": None}
        return self._told(session, f"checkout.session.{'async_payment_succeeded' if late else 'completed'}")

    def wait(self, id_: str) -> Json:
        """The payer is through, and their bank takes days to say whether it pays."""
        session = self._open(id_)
        intent = self._intent_of(session)
        self.records.keep("payment_intent", intent | {"status": "processing"})
        session |= {"status": "complete", "url": None}
        return self._told(session, "checkout.session.completed")

    def refuse(self, id_: str, reason: str) -> Json:
        """A card is declined: the session stays open for another one, and nobody is told."""
        session = self._open(id_)
        self._decline(self._intent_of(session), reason)
        self._keep(session)
        return session

    def decline(self, id_: str, reason: str) -> Json:
        """The bank that took its time does not pay, and the session is over."""
        session = self._payable(id_)
        self._decline(self._intent_of(session), reason)
        session |= {"status": "complete", "url": None}
        return self._told(session, "checkout.session.async_payment_failed")

    def expire(self, id_: str) -> Json:
        session = self._open(id_) | {"status": "expired", "url": None}
        return self._told(session, "checkout.session.expired")

    def charge_kept(self, given: Json) -> Json:
        """A PaymentIntent that is confirmed at once, without the payer. Raises ApiError 402 when the card declines."""
        if given.get("confirm") != "true" or given.get("off_session") != "true":
            raise invalid("confirm", "Only off-session intents that are confirmed at once are modelled here")
        amount, currency = _sum(given, "amount"), str(given.get("currency", "")).lower()
        card = self.records.get("payment_method", str(given.get("payment_method", "")))
        if card["customer"] != given.get("customer"):
            raise invalid("payment_method", "The customer does not have this payment method", "parameter_invalid")
        intent = self._new_intent(amount, currency, forms.metadata(given), card["customer"])
        intent["payment_method"] = card["id"]
        fate = (self._store.get("fate", card["id"]) or {}).get("reason")
        if fate is None:
            return self._collect(intent)
        self._decline(intent, fate)
        self.records.keep("payment_intent", intent)
        error = {name: value for name, value in intent["last_payment_error"].items() if name != "type"}
        raise ApiError(402, "Your card was declined.", kind="card_error", **error, payment_intent=intent)

    def doom(self, card_id: str, reason: str) -> None:
        """From now on this kept card declines with a reason; "" = it pays again."""
        self.records.get("payment_method", card_id)
        if reason:
            self._store.put("fate", card_id, {"reason": reason})
        else:
            self._store.drop("fate", card_id)

    def refund(self, given: Json) -> Json:
        intent = self.records.get("payment_intent", str(given.get("payment_intent", "")))
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise ApiError(400, message, code="payment_intent_unexpected_state")
        charge = self.records.get("charge", intent["latest_charge"])
        left = charge["amount"] - charge["amount_refunded"]
        if self._taken_by_a_bank(charge):
            raise ApiError(400, "This charge has been charged back.", code="charge_disputed")
        if not left:
            raise ApiError(400, "This charge has already been refunded.", code="charge_already_refunded")
        amount = _sum(given, "amount") if "amount" in given else left
        if amount > left:
            raise invalid("amount", "Refund amount is greater than unrefunded amount on charge", "amount_too_large")
        slow = self._store.get("settings", "refunds") is not None
        refund = self.records.new(
            "refund",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata=forms.metadata(given),
            reason=given.get("reason"),
            status="pending" if slow else "succeeded",
        )
        self._count_refund(charge, amount)
        self._tell("charge.refunded", charge)
        return refund

    def settle_refund(self, id_: str, fails: bool) -> Json:
        """Decide a pending refund. One that fails puts the money back on the account, and one that had succeeded may:
        its bank has a month to send it back."""
        refund = self.records.get("refund", id_)
        if refund["status"] not in ("pending", "succeeded") or (refund["status"] == "succeeded" and not fails):
            raise ApiError(400, f"The refund is {refund['status']}.")
        refund["status"] = "failed" if fails else "succeeded"
        if fails:
            refund["failure_reason"] = "expired_or_canceled_card"
            self._count_refund(self.records.get("charge", refund["charge"]), -refund["amount"])
        self.records.keep("refund", refund)
        self._tell("refund.failed" if fails else "refund.updated", refund)
        return refund

    def slow_refunds(self, slow: bool) -> None:
        if slow:
            self._store.put("settings", "refunds", {"slow": True})
        else:
            self._store.drop("settings", "refunds")

    def dispute(self, id_: str) -> Json:
        """The payer's bank takes the money of a session's or an intent's charge back."""
        intent_id = self.session(id_)["payment_intent"] if id_.startswith(PREFIXES["session"]) else id_
        intent = self.records.get("payment_intent", str(intent_id))
        if intent["status"] != "succeeded":
            raise ApiError(400, "Nothing was paid.")
        charge = self.records.get("charge", intent["latest_charge"])
        if self._taken_by_a_bank(charge):
            raise ApiError(400, "This charge is disputed already.", code="charge_disputed")
        # It stays so, whoever wins.
        charge["disputed"] = True
        self.records.keep("charge", charge)
        dispute = self.records.new(
            "dispute",
            amount=charge["amount"],
            balance_transactions=[self._moved(-charge["amount"], charge["currency"], DISPUTE_FEE)],
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata={},
            reason="fraudulent",
            status="needs_response",
        )
        self._tell("charge.dispute.created", dispute)
        self._tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, id_: str, won: bool) -> Json:
        """The bank has decided; won, the money comes back to the account, and with it what the dispute has cost."""
        dispute = self.records.get("dispute", id_)
        if dispute["status"] in ("won", "lost"):
            raise ApiError(400, f"This dispute is {dispute['status']}.")
        dispute["status"] = "won" if won else "lost"
        if won:
            dispute["balance_transactions"].append(self._moved(dispute["amount"], dispute["currency"], -DISPUTE_FEE))
        self.records.keep("dispute", dispute)
        self._tell("charge.dispute.closed", dispute)
        if won:
            self._tell("charge.dispute.funds_reinstated", dispute)
        return dispute

    def _taken_by_a_bank(self, charge: Json) -> bool:
        mine = [one for one in self.records.all("dispute") if one["charge"] == charge["id"]]
        return any(one["status"] != "won" for one in mine)

    def event(self, type_: str, thing: Json) -> str:
        event = self.records.new("event", type=type_, api_version=API_VERSION, data={"object": thing})
        return json.dumps(event, ensure_ascii=False)

    def _overdue(self, id_: str) -> None:
        session = self.records.get("session", id_) | {"status": "expired", "url": None}
        self._told(session, "checkout.session.expired")

    def _open(self, id_: str) -> Json:
        session = self.session(id_)
        if session["status"] != "open":
            raise ApiError(400, f"This Session is {session['status']}.")
        return session

    def _payable(self, id_: str) -> Json:
        session = self.session(id_)
        waits = session["status"] == "complete" and session["payment_status"] == "unpaid"
        return session if waits and self._intent_of(session)["status"] == "processing" else self._open(id_)

    def _intent_of(self, session: Json) -> Json:
        """The session's intent: there is none before somebody tries to pay."""
        if session["payment_intent"] is not None:
            return self.records.get("payment_intent", session["payment_intent"])
        plan = self._store.get("plan", session["id"]) or {}
        intent = self._new_intent(session["amount_total"], session["currency"], plan["metadata"], session["customer"])
        if plan["keep"]:
            intent["setup_future_usage"] = "off_session"
        session["payment_intent"] = intent["id"]
        return intent

    def _new_intent(self, amount: int, currency: str, metadata: dict[str, str], customer: Any) -> Json:
        return self.records.new(
            "payment_intent",
            amount=amount,
            amount_received=0,
            currency=currency,
            customer=customer,
            metadata=metadata,
            latest_charge=None,
            last_payment_error=None,
            payment_method=None,
            setup_future_usage=None,
            status="requires_payment_method",
        )

    def _moved(self, amount: int, currency: str, fee: int) -> Json:
        return self.records.new("balance_transaction", amount=amount, currency=currency, fee=fee, net=amount - fee)

    def _collect(self, intent: Json) -> Json:
        amount, currency = intent["amount"], intent["currency"]
        fee = int((Decimal(amount) * Decimal("0.029")).to_integral_value(ROUND_HALF_UP)) + 30
        books = self._moved(amount, currency, fee)
        card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034}
        if intent["payment_method"] is None:
            kept = intent["customer"] if intent["setup_future_usage"] else None
            method = self.records.new("payment_method", type="card", card=card, customer=kept)
            intent["payment_method"] = method["id"]
        charge = self.records.new(
            "charge",
            amount=amount,
            amount_refunded=0,
            balance_transaction=books["id"],
            currency=currency,
            disputed=False,
            metadata=intent["metadata"],
            paid=True,
            payment_intent=intent["id"],
            payment_method_details={"type": "card", "card": card},
            refunded=False,
            status="succeeded",
        )
        intent |= {"status": "succeeded", "latest_charge": charge["id"], "amount_received": amount}
        self.records.keep("payment_intent", intent)
        return intent

    def _decline(self, intent: Json, reason: str) -> None:
        code = {"type": "card_error", "code": "card_declined", "decline_code": reason}
        if reason in ("expired_card", "incorrect_cvc", "authentication_required"):
            code["code"] = reason
        intent |= {"status": "requires_payment_method", "last_payment_error": code}
        self.records.keep("payment_intent", intent)

    def _count_refund(self, charge: Json, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self.records.keep("charge", charge)

    def _told(self, session: Json, type_: str) -> Json:
        self._keep(session)
        self._tell(type_, session)
        return session

    def _tell(self, type_: str, thing: Json) -> None:
        if type_ in HEARD:
            self._announce(self.event(type_, thing))

    def _keep(self, session: Json) -> None:
        self.records.keep("session", session)
        self.deadlines.set(session["id"], session["expires_at"] if session["status"] == "open" else None)


def _bought(given: Json) -> tuple[int, str, str]:
    """What the line items come to, in which currency, and the name of the first."""
    items = list(forms.section(given, "line_items").values())
    if not items:
        raise invalid("line_items", "A session in payment mode needs line items")
    total, currencies, names = 0, set(), []
    for item in items:
        price = forms.section(item, "price_data")
        total += _sum(price, "unit_amount") * forms.whole(item, "quantity")
        currencies.add(str(price.get("currency", "")).lower())
        names.append(str(forms.section(price, "product_data").get("name", "")))
    currency = currencies.pop()
    if currencies or len(currency) != CURRENCY_LENGTH or not names[0]:
        raise invalid("line_items", "Line items need one currency and names", "parameter_invalid")
    if total < LEAST.get(currency, 1):
        raise ApiError(400, "The total is below the least that can be charged.", code="amount_too_small")
    return total, currency, names[0]


def _sum(given: Json, name: str) -> int:
    amount = forms.whole(given, name)
    if not 1 <= amount <= LARGEST:
        raise invalid(name, "The amount must be from 1 to 99999999", "parameter_invalid_integer")
    return amount
