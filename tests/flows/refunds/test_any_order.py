"""Whatever is bought, upgraded, given back and brought back in whatever order: worth, time and money agree."""

import random
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.refund import Through
from ferryman.flows.orders import worth
from ferryman.flows.orders.worth import UpgradeRefused
from ferryman.flows.payments import buying
from ferryman.flows.refunds import refunding, winning_back
from ferryman.kit.errors import Refused
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.flows.refund_shop import STAFF, Counter, days_later
from tests.support.shop import Town

# Prices of upgrades are rounded to whole rubles, and a day of the cheapest plan costs six of them.
ROUNDED = 400
STORIES, STEPS = 10, 10
# How often each happens.
STEP = {"buy": 4, "upgrade": 4, "dispute": 4, "win": 6, "wait": 4, "return": 2, "bounce": 3, "give_back": 2}
# So that there is always something to change to.
DEARER = """UPDATE prices SET minor = CASE minor WHEN 54900 THEN 150000 WHEN 34900 THEN 120000 ELSE minor END
            RETURNING term_id"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund that did not arrive is believed without an hour's wait."""
    monkeypatch.setattr(winning_back, "SETTLED_AFTER", timedelta(0))


@dataclass
class Story:
    """What happens to one customer, by chance."""

    shop: Town
    who: Customer
    chance: random.Random
    paid: list[Counter] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def step(self) -> None:
        what = self.chance.choices(list(STEP), list(STEP.values()))[0] if await self.left() else "buy"
        before, kept, left = await self.worth(), await self.kept(), await self.left()
        days_later(self.shop, 0.001)
        self.told.append(what)
        await getattr(self, f"_{what}")()
        after, came = await self.worth(), await self.kept() - kept
        self.told[-1] += f": worth {before} to {after}, kept {kept + came}"
        if what in ("win", "bounce"):
            assert before - ROUNDED <= after <= before + came + ROUNDED, self.told
            assert after > before or await self.left() <= left, self.told
        elif what in ("buy", "upgrade"):
            assert after == pytest.approx(before + came, abs=ROUNDED), self.told
        else:
            assert after <= before + ROUNDED, self.told
            # A bank takes all that is unused, whatever the sum; so does time.
            assert what in ("dispute", "wait", "give_back") or after >= before + came - ROUNDED, self.told
        assert 0 <= after <= await self.kept() + ROUNDED, self.told
        await self.offers_no_more_than(after)

    async def offers_no_more_than(self, worth: int) -> None:
        """Beside what went back over there: that may be the money of days which were used up, and lowers the worth of
        all that is left, not what a payment has left of its own."""
        gone = sum([await self._gone(one, column) for one in self.paid for column in ("charged_back", "refunded")])
        for one in self.paid:
            try:
                offered = (await refunding.preview(self.shop.tools, one.payment)).amount.minor
            except Refused:
                continue
            assert offered <= worth + gone + ROUNDED, (self.told, self.paid.index(one), offered)

    async def ends_with_nothing(self) -> None:
        for one in self.chance.sample(self.paid, len(self.paid)):
            before, kept = await self.worth(), await self.kept()
            try:
                await one.give_back("all", Through.HAND)
            except Refused:
                continue
            after, gone = await self.worth(), kept - await self.kept()
            self.told.append(f"end {self.paid.index(one)}: worth {before} to {after}, gone {gone}")
            assert before - gone - ROUNDED <= after <= before + ROUNDED, self.told
        assert await self.kept() == 0, self.told
        assert await self.left() < timedelta(hours=6), self.told

    async def worth(self) -> int:
        async with self.shop.tools.db.unit() as session:
            found = await self._subscription(session)
            left = await worth.left_of(session, found, self.shop.tools.clock.now()) if found is not None else {}
            return left.get("RUB", 0)

    async def kept(self) -> int:
        query = """SELECT coalesce(sum(p.minor - (SELECT coalesce(sum(r.minor - r.won_back), 0) FROM refunds r
                     WHERE r.payment_id = p.id AND r.state = 'succeeded')), 0)::bigint
                   FROM payments p JOIN orders o ON o.id = p.order_id
                   WHERE o.customer_id = :id AND p.state = 'succeeded'"""
        return int(await self.shop.value(query, id=self.who.id))

    async def _subscription(self, session: AsyncSession) -> Subscription | None:
        return await session.scalar(select(Subscription).where(Subscription.customer_id == self.who.id))

    async def left(self) -> timedelta:
        async with self.shop.tools.db.unit() as session:
            found = await self._subscription(session)
        return max(found.ends_at - self.shop.tools.clock.now(), timedelta(0)) if found else timedelta(0)

    async def _pays(self, plan: str, days: int, upgrade_of: str = "") -> None:
        shop = self.shop
        wish = buying.Wish(
            self.who.id, await shop.term(plan, days), "yookassa", secrets.token_hex(8), upgrade_of=upgrade_of
        )
        checkout = await buying.begin(shop.tools, wish)
        await shop.webhook(shop.pay(checkout))
        await shop.work()
        mine = "SELECT p.ref FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref"
        self.paid.append(Counter(shop, self.who, checkout, await shop.value(mine, ref=checkout.order_ref)))

    async def _buy(self) -> None:
        async with self.shop.tools.db.unit() as session:
            found = await self._subscription(session)
        await self._pays(found.plan_code if found else "standard", 30)

    async def _upgrade(self) -> None:
        async with self.shop.tools.db.unit() as session:
            found = await self._subscription(session)
        assert found is not None
        plan, days = ("standard", 90) if found.plan_code == "unlimited" else ("unlimited", 30)
        try:
            await self._pays(plan, days, upgrade_of=found.ref)
        except UpgradeRefused:
            self.told[-1] += " refused"

    async def _wait(self) -> None:
        days_later(self.shop, self.chance.choice([3, 10, 25]))

    async def _dispute(self) -> None:
        await self._grows("charged_back", 1)

    async def _return(self) -> None:
        await self._grows("refunded", self.chance.choice([0.3, 0.5, 1]))

    async def _grows(self, column: str, part: float) -> None:
        one = self.chance.choice(self.paid)
        query = "SELECT minor, minor - refunded - charged_back FROM payments WHERE ref = :ref"
        minor, rest = (await self.shop.rows(query, ref=one.payment))[0]
        total = await self._gone(one, column) + min(int(minor * part), rest)
        self.told[-1] += f" {self.paid.index(one)} to {total}"
        await one.provider_says(**{column: total})

    async def _win(self) -> None:
        await self._shrinks("charged_back")

    async def _bounce(self) -> None:
        await self._shrinks("refunded")

    async def _shrinks(self, column: str) -> None:
        gone = [each for each in self.paid if await self._gone(each, column)]
        if gone:
            one = self.chance.choice(gone)
            total = await self._gone(one, column) * self.chance.choice([0, 0, 0, 1]) // 2
            self.told[-1] += f" {self.paid.index(one)} to {total}"
            await one.provider_says(**{column: total})

    async def _gone(self, one: Counter, column: str) -> int:
        query = """SELECT coalesce(sum(minor - won_back), 0)::bigint FROM refunds
                   WHERE (origin = 'chargeback') = :bank AND through = 'provider' AND state = 'succeeded'
                     AND payment_id = (SELECT id FROM payments WHERE ref = :ref)"""
        return int(await self.shop.value(query, ref=one.payment, bank=column == "charged_back"))

    async def _give_back(self) -> None:
        await self._try(self.chance.choice(["50.00", "100.00", "unused", "unused", "all"]))

    async def _try(self, wish: str) -> None:
        one = self.chance.choice(self.paid)
        self.told[-1] += f" {self.paid.index(one)} {wish}"
        try:
            await refunding.make(self.shop.tools, one.payment, wish, STAFF, Through.HAND)
        except Refused as error:
            self.told[-1] += f" ({error})"


@pytest.mark.parametrize("seed", range(STORIES))
async def test_whatever_happens_worth_time_and_money_agree(shop: Town, seed: int) -> None:
    await shop.rows(DEARER)
    story = Story(shop, await shop.customer(), random.Random(seed))
    for _ in range(STEPS):
        await story.step()
    await story.ends_with_nothing()
