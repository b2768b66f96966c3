"""A shop with a till for refunds: what was paid, what the bank gave back, and what the books say of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ferryman.billing.provider import Fact, PaymentState
from ferryman.billing.refund import Refund, Through
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments.buying import Checkout
from ferryman.flows.refunds import giving_back, refunding, weighing, winning_back
from ferryman.kit.money import Money
from ferryman.people.customer import Customer
from ferryman_sandbox.weather import Fault
from tests.support.shop import Town

PRICE = 19900
STAFF = Cause("operator:cli", "the customer asked for it")
REFUNDS = {"route": "/v3/refunds", "method": "POST"}


@dataclass
class Counter:
    """One customer at the counter, what they bought last, and the payment's ref."""

    shop: Town
    customer: Customer
    checkout: Checkout
    payment: str

    async def again(self, **what: Any) -> "Counter":
        """The same customer buys once more."""
        return await bought(self.shop, self.customer, **what)

    async def give_back(self, wish: str = "all", through: Through | None = None, **more: Any) -> Refund:
        return await refunding.make(self.shop.tools, self.payment, wish, STAFF, through, **more)

    async def from_the_dashboard(self, value: str) -> None:
        """Somebody gives money back in the bank's own cabinet, and the bank says so."""
        at_bank = self.shop.payment_of(self.checkout)
        back = self.shop.bank.shop.refund({"payment_id": at_bank["id"], "amount": {"value": value, "currency": "RUB"}})
        await self.shop.webhook(back, "refund.succeeded")
        await self.shop.work()

    async def provider_says(self, *, refunded: int | None = None, charged_back: int | None = None) -> None:
        """So many kopecks of the payment have gone back in all, or were taken back by the payer's bank: more or less
        than the books have. It is taken as true, without asking twice."""
        tools = self.shop.tools
        async with tools.db.unit() as session:
            payment = await weighing.locked(session, await weighing.payment_named(session, self.payment))
            back, taken = (None if minor is None else Money(minor, "RUB") for minor in (refunded, charged_back))
            now, state = tools.clock.now(), PaymentState.SUCCEEDED
            fact = Fact("", payment.ref, state, payment.amount, test=True, refunded=back, charged_back=taken)
            gone = await winning_back.doubted(session, payment, fact, now)
            if gone is not None:
                await winning_back.come_back(tools, session, payment, fact, gone, now)
            for total, by_bank in ((back, False), (taken, True)):
                if gone is None and total is not None and total.minor:
                    await giving_back.taken_back(tools, session, payment, total, chargeback=by_bank, now=now)
        await self.shop.work()

    async def subscription(self) -> Any:
        """ends_at, traffic_bytes, exhausted_at, revision, placed_revision; of the only one there is."""
        rows = await self.shop.rows(
            "SELECT ends_at, traffic_bytes, exhausted_at, revision, placed_revision, ref FROM subscriptions"
        )
        return rows[0]

    async def left(self) -> timedelta:
        """How much time the subscription has, rounded to minutes."""
        left = (await self.subscription()).ends_at - self.shop.tools.clock.now()
        return timedelta(minutes=round(left / timedelta(minutes=1)))

    async def notices(self) -> list[str]:
        query = "SELECT kind FROM notices WHERE customer_id = :id ORDER BY id"
        return [kind for (kind,) in await self.shop.rows(query, id=self.customer.id)]

    def at_the_bank(self) -> str:
        """What the bank says has been refunded, as it writes it."""
        refunded = self.shop.payment_of(self.checkout).get("refunded_amount")
        return str(refunded["value"]) if refunded else "0.00"


def days_later(shop: Town, days: float) -> None:
    shop.tools.clock.advance(days=days)  # type: ignore[attr-defined]


async def bought(shop: Town, customer: Customer | None = None, **what: Any) -> Counter:
    """A customer has bought something, and holds their keys."""
    anna = customer or await shop.customer()
    checkout = await shop.order(anna, **what)
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    mine = "SELECT p.ref FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref ORDER BY p.id DESC"
    return Counter(shop, anna, checkout, await shop.value(mine, ref=checkout.order_ref))


async def paid_twice(counter: Counter, other: str = "22e12f66-000f-5000-8000-18db351245c8") -> str:
    """The bank holds a second payment for the same order, which goes to the balance; answers its ref."""
    shop, first = counter.shop, counter.shop.payment_of(counter.checkout)
    shop.rewrite(first, id=other)
    await shop.webhook({**first, "id": other})
    await shop.work()
    return str(await shop.value("SELECT ref FROM payments WHERE external_id = :id", id=other))


async def accounts(shop: Town) -> dict[str, int]:
    """What stands on each kind of account, in minor units; those that came to nothing are left out.

    A fee counts as still with the provider, so that the numbers are those of the prices.
    """
    rows = await shop.rows(
        """SELECT replace(split_part(account, ':', 1), 'fees', 'provider'), sum(minor)::bigint FROM ledger_entries
           GROUP BY 1 HAVING sum(minor) <> 0"""
    )
    return {name: int(minor) for name, minor in rows}


async def balances(shop: Town) -> int:
    """The sum of everything, which must be zero."""
    return int(await shop.value("SELECT coalesce(sum(minor), 0)::bigint FROM ledger_entries"))


async def refunds(shop: Town) -> list[tuple[str, str, int]]:
    """State, origin and amount of every refund, oldest first."""
    rows = await shop.rows("SELECT state, origin, minor FROM refunds ORDER BY id")
    return [(state, origin, int(minor)) for state, origin, minor in rows]


async def sweep(shop: Town, **by: float) -> None:
    """Time passes, open refunds are asked about, and what comes of it is worked off."""
    shop.tools.clock.advance(**by)  # type: ignore[attr-defined]
    await refunding.sweep(shop.tools)
    await shop.work()


def storm(shop: Town, **fault: Any) -> None:
    shop.bank.weather.add(Fault.from_json(fault))
