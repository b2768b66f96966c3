"""Telegram Stars (XTR): invoices of our own bot, Bot API 10.0. The money is Telegram's, the account is the bot's.

There is nothing over there before somebody pays: an invoice link has no id, no end, and is anybody's who has it. What
was paid is told by the bot, out of Telegram's own updates, and can be read in the list of transactions. A charge id is
the key of the money; a refund stands in that list under the same id. The list is described as sorted from the oldest;
both orders are understood.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from ferryman.billing.provider import (
    Claim,
    Fact,
    NoSettings,
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
from ferryman.billing.providers.stars.api import BotApi
from ferryman.billing.providers.stars.transactions import Line, Transactions, moment_of
from ferryman.billing.telegram import payload, read_payload
from ferryman.kit import remote
from ferryman.kit.errors import Busy, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.money import Money

REAL_API = "https://api.telegram.org"
CURRENCY = "XTR"
MOST, MOST_A_MONTH = 100_000, 10_000
MONTH_DAYS = 30
LONGEST_TITLE, LONGEST_DESCRIPTION = 32, 255
LONGEST_ID, LONGEST_PAYLOAD = 255, 128
LARGEST_MESSAGE = 16 * 1024
CLOCKS_APART = timedelta(hours=1)
# Two payments of one invoice that are this far apart are a month and the next one, not a person who paid twice.
A_MONTH_APART, TO_LOOK_BACK = timedelta(days=27), timedelta(days=40)
ALREADY_REFUNDED = "CHARGE_ALREADY_REFUNDED"

Json = dict[str, Any]


class Stars:
    """The provider. A whole payment can be given back, for as long as the bot has the Stars."""

    name: ClassVar[str] = "stars"
    title: ClassVar[Mapping[str, str]] = {"ru": "Звёзды Telegram", "en": "Telegram Stars"}
    icon: ClassVar[str] = "⭐"
    currencies: ClassVar[tuple[str, ...]] = (CURRENCY,)
    ways: ClassVar[tuple[Way, ...]] = (
        Way("", "⭐", {"ru": "Звёзды Telegram", "en": "Telegram Stars"}, least={CURRENCY: 1}, most={CURRENCY: MOST}),
    )
    partly: ClassVar[bool] = False
    needs_contact: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, _: NoSettings, tools: ProviderTools) -> None:
        """Raises Misconfigured without a bot, and for an emulator's address outside the sandbox."""
        if tools.telegram is None:
            raise Misconfigured(
                "Stars come to a bot's account, and there is no bot.",
                "Set FERRYMAN_TELEGRAM_TOKEN to the token from @BotFather.",
            )
        self._api_base = tools.telegram.api_base
        remote.refuse_play("Telegram", self._api_base, REAL_API, sandbox=tools.sandbox, play_money=False)
        self._api = BotApi(tools.http, self._api_base, tools.telegram.token)
        self._list = Transactions(self._api)

    @property
    def test_mode(self) -> bool:
        """Stars are play money at an emulator only: a sandbox that talks to Telegram itself takes real ones."""
        return remote.is_loopback(urlsplit(self._api_base).hostname or "")

    def answer(self, claim: Claim | None) -> tuple[int, str]:
        """Nobody calls: what comes over the web is not Telegram's, and is told nothing."""
        return (404, "") if claim is None else (200, "")

    async def open(self, request: PaymentRequest) -> Opened:
        """Every call makes another link to the same invoice, which harms nobody."""
        most = MOST_A_MONTH if request.every_days else MOST
        if request.amount.currency != CURRENCY or not 1 <= request.amount.minor <= most:
            raise Refused(f"Telegram takes 1 to {most} Stars for this, not {request.amount}.")
        if request.every_days not in (0, MONTH_DAYS):
            raise Refused(f"Payments in Stars repeat every {MONTH_DAYS} days or not at all.")
        carried = payload(request.ref, request.payer)
        if len(carried.encode()) > LONGEST_PAYLOAD:
            raise Refused(f"An invoice carries at most {LONGEST_PAYLOAD} bytes of ours.")
        words = " ".join(request.description.split()) or request.order_ref
        title = _cut(words, LONGEST_TITLE)
        fields: Json = {
            "title": title,
            "description": _cut(words, LONGEST_DESCRIPTION),
            "payload": carried,
            "currency": CURRENCY,
            "prices": [{"label": title, "amount": request.amount.minor}],
        }
        if request.every_days:
            fields["subscription_period"] = request.every_days * 86400
        link = await self._api.call("createInvoiceLink", fields, changes=True)
        if not remote.page_address(link).startswith("https://"):
            raise Unreachable("Telegram's answer holds no link to an invoice.")
        return Opened(None, str(link))

    def read_webhook(self, _: RawWebhook) -> Claim:
        raise Refused("Telegram tells the bot of Stars, and nobody else.")

    def read_message(self, raw: RawWebhook) -> Claim:
        """`{"payer": …, "date": …, "successful_payment" or "refunded_payment": as Telegram has it}`.

        That Stars went back says nothing of who sent them, the shop or the store where they were bought. The list does,
        so it is asked: believed here too, the same Stars could be booked as both.
        """
        try:
            if len(raw.body) > LARGEST_MESSAGE:
                raise ValueError("too large")
            message = remote.document(raw.body)
            kind = next(name for name in ("successful_payment", "refunded_payment") if name in message)
            fact = self._told(message, message[kind])
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
            raise Refused("This is not what Telegram says of a payment in Stars.") from error
        known = fact if kind == "successful_payment" else None
        return Claim(kind, f"{kind}:{fact.external_id}", fact.external_id, fact.ref, known)

    def _told(self, message: Json, said: Json) -> Fact:
        charge = said["telegram_payment_charge_id"]
        carried, amount, payer = said["invoice_payload"], said["total_amount"], message["payer"]
        if not isinstance(charge, str) or not 0 < len(charge) <= LONGEST_ID or said["currency"] != CURRENCY:
            raise ValueError("no charge in Stars")
        if not isinstance(carried, str) or type(amount) is not int or amount < 1 or type(payer) is not int:
            raise ValueError("no payload, amount or payer")
        details: Json = {"paid_at": moment_of(message["date"]).isoformat()}
        if said.get("is_recurring"):
            details["repeats"] = True
        if type(said.get("subscription_expiration_date")) is int:
            details["repeats_at"] = moment_of(said["subscription_expiration_date"]).isoformat()
        return self._paid(
            charge,
            carried,
            amount,
            payer,
            details,
            renews=said.get("is_recurring") is True and said.get("is_first_recurring") is not True,
        )

    async def look_up(self, external_id: str) -> Fact:
        lines: dict[tuple[str, bool], Line] = {}
        found: Line | None = None
        try:
            async for line in self._list.newest_first():
                if found is not None and line.at < found.at - (TO_LOOK_BACK if found.period else timedelta(0)):
                    break
                lines[line.id, line.back] = line
                if line.id == external_id and not line.back:
                    found = line
        except Busy:
            # A payment that is too old to be read is known by its refund.
            if (external_id, True) not in lines:
                raise
        found = found or lines.get((external_id, True))
        if found is None:
            raise NotFound("Telegram has no payment in Stars of that id.")
        return self._fact(found, lines.values())

    async def find(self, request: PaymentRequest) -> Fact | None:
        lines = await self._list.back_to(request.placed_at - CLOCKS_APART)
        for line in sorted((line for line in lines if not line.back), key=lambda line: line.at):
            fact = self._fact(line, lines)
            if fact.ref == request.ref:
                return fact
        return None

    async def listed(self, since: datetime, until: datetime) -> AsyncIterator[Fact]:
        lines = await self._list.back_to(since)
        if any(line.period for line in lines):
            lines = await self._list.back_to(since - TO_LOOK_BACK)
        paid = {line.id: line for line in lines if not line.back}
        told: set[str] = set()
        for line in lines:
            if since <= line.at <= until and line.id not in told:
                told.add(line.id)
                # A payment that is too old to be among them is known by its refund alone.
                yield self._fact(paid.get(line.id, line), lines)

    async def refund(self, request: RefundRequest) -> RefundFact:
        """Raises Refused for a part of a payment, and when the bot has too few Stars."""
        if not request.whole:
            raise Refused("Telegram gives a payment in Stars back whole or not at all.")
        fields = {"user_id": request.payer, "telegram_payment_charge_id": request.payment_external_id}
        try:
            await self._api.call("refundStarPayment", fields, changes=True)
        except Refused as error:
            if ALREADY_REFUNDED not in str(error):
                raise
        return _given_back(request)

    async def look_up_refund(self, request: RefundRequest, external_id: str | None) -> RefundFact | None:
        charge = external_id or request.payment_external_id
        paid: Line | None = None
        async for line in self._list.newest_first():
            if paid is not None and line.at < paid.at:
                break
            if line.id == charge:
                if line.back:
                    return _given_back(request)
                paid = line
        return None

    async def stop(self, payer: int, external_id: str) -> None:
        await self._repeat(payer, external_id, ended=True)

    async def resume(self, payer: int, external_id: str) -> None:
        await self._repeat(payer, external_id, ended=False)

    async def _repeat(self, payer: int, external_id: str, *, ended: bool) -> None:
        fields = {"user_id": payer, "telegram_payment_charge_id": external_id, "is_canceled": ended}
        await self._api.call("editUserStarSubscription", fields, changes=True)

    async def check(self) -> str:
        balance = await self._api.call("getMyStarBalance", {}, changes=False)
        if not isinstance(balance, dict) or type(balance.get("amount")) is not int:
            raise Busy("Telegram's answer holds no balance.")
        return f"The bot's account holds {balance['amount']} Stars ({'test' if self.test_mode else 'real'} money)."

    def _fact(self, line: Line, lines: Iterable[Line]) -> Fact:
        back = next((one for one in lines if one.back and one.id == line.id), None)
        renews = bool(line.period) and any(
            (one.payload, one.payer, one.back) == (line.payload, line.payer, False)
            and one.at <= line.at - A_MONTH_APART
            for one in lines
        )
        details: Json = {"paid_at": line.at.isoformat()} | ({"repeats": True} if line.period else {})
        went = None if back is None else line.amount
        taken = back is not None and back.look != "user"
        return self._paid(
            line.id,
            line.payload,
            line.amount,
            line.payer,
            details,
            refunded=None if taken else went,
            charged_back=went if taken else None,
            renews=renews,
        )

    def _paid(
        self,
        charge: str,
        carried: str,
        amount: int,
        payer: int,
        details: Json,
        *,
        refunded: int | None = None,
        charged_back: int | None = None,
        renews: bool = False,
    ) -> Fact:
        """A payment of somebody else than the invoice is for names none of ours: nobody is granted anything for it."""
        ref, owner = read_payload(carried)
        stranger = bool(owner and payer and owner != payer)
        if stranger:
            details = details | {"stranger": True, "meant": ref}
        return Fact(
            charge,
            None if stranger else ref or None,
            PaymentState.SUCCEEDED,
            Money(amount, CURRENCY),
            self.test_mode,
            reason="paid by somebody else than the invoice was for" if stranger else None,
            refunded=None if refunded is None else Money(refunded, CURRENCY),
            charged_back=None if charged_back is None else Money(charged_back, CURRENCY),
            renews=renews,
            details=details | {"payer": payer},
        )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _given_back(request: RefundRequest) -> RefundFact:
    charge = request.payment_external_id
    return RefundFact(charge, charge, RefundState.SUCCEEDED, request.amount, request.ref)
