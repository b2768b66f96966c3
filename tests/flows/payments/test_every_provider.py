"""One story for every provider that can be asked: from the button to the key, and what befalls it on the way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from ferryman.billing import ledger
from ferryman.billing.methods import Method
from ferryman.billing.provider import Listing, RawWebhook
from ferryman.flows.payments import banking, buying, eventbook, settling
from ferryman.flows.payments.buying import Checkout
from tests.billing.providers.worlds import PLACES, Control, World
from tests.support.shop import Town

# Stars come through the bot; their stories are told there.
PROVIDERS = sorted(set(PLACES) - {"stars"})
MINOR = 19900


@dataclass
class Till:
    """A shop that takes its money through one provider, and that provider's other side."""

    shop: Town
    world: World
    name: str

    @property
    def control(self) -> Control:
        assert self.world.control is not None
        return self.world.control

    async def open(self) -> None:
        """Its webhooks are received beside us, to be handed on as the test wants them."""
        tools = self.shop.tools
        tools.settings = tools.settings.model_copy(update={"public_url": self.control.hook.url})
        config: BaseModel = self.world.provider._config  # type: ignore[attr-defined]
        async with tools.db.unit() as session:
            method = await session.get(Method, self.name)
            if method is None:
                method = Method(name=self.name, enabled=True)
                session.add(method)
            method.position, method.sealed_config = -1, tools.vault.seal(revealed(config.model_dump()))
        await self.shop.rows(
            """INSERT INTO prices (term_id, currency, minor) SELECT id, :currency, :minor FROM terms
               ON CONFLICT (term_id, currency) DO UPDATE SET minor = :minor RETURNING minor""",
            currency=self.world.currency,
            minor=MINOR,
        )

    async def press(self, customer: Any = None, tap: str = "tap") -> Checkout:
        customer = customer or await self.shop.customer()
        method = f"{self.name}.{self.world.way}" if self.world.way else self.name
        return await buying.begin(self.shop.tools, buying.Wish(customer.id, await self.shop.term(), method, tap))

    async def external_id(self, checkout: Checkout) -> str:
        """The provider's number of what is to be paid; some have one only when the payer has come."""
        known = await self.shop.value("SELECT external_id FROM payments ORDER BY id DESC LIMIT 1")
        if known is not None:
            return str(known)
        assert checkout.pay_url is not None
        before = {one["id"] for one in await self.control.payments()}
        await self.control.visit(checkout.pay_url)
        (new,) = {one["id"] for one in await self.control.payments()} - before
        return str(new)

    async def pay(self, checkout: Checkout) -> str:
        external_id = await self.external_id(checkout)
        await self.control.pay(external_id)
        return external_id

    async def told(self, count: int = 1) -> list[RawWebhook]:
        return await self.control.webhooks(count)

    async def hear(self, *said: RawWebhook) -> list[tuple[int, str]]:
        answers = [await settling.webhook_came(self.shop.tools, self.name, one) for one in said]
        await self.shop.work()
        return answers

    async def granted(self) -> int:
        return int(await self.shop.value("SELECT count(*) FROM grants"))

    async def balanced(self) -> bool:
        async with self.shop.tools.db.unit() as session:
            return not any((await ledger.trial_balance(session)).values())


def revealed(value: Any) -> Any:
    """Settings as they would be stored."""
    if isinstance(value, dict):
        return {name: revealed(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [revealed(item) for item in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.fixture(params=PROVIDERS)
async def till(request: pytest.FixtureRequest, shop: Town) -> AsyncIterator[Till]:
    name: str = request.param
    async with PLACES[name]["emulator"].enter() as world:
        found = Till(shop, world, name)
        await found.open()
        yield found


async def test_paid_told_five_times_it_is_granted_once(till: Till) -> None:
    await till.pay(await till.press())
    said = await till.told()
    answers = await till.hear(*said, *said, *said, *said, *said)
    assert {status for status, _ in answers} == {200}
    assert await till.granted() == 1
    assert await till.balanced()
    assert len(till.shop.clients("de-1")) == 1
    assert await till.shop.value("SELECT count(*) FROM money_without_key") == 0
    assert await till.shop.value("SELECT count(*) FROM payments WHERE state = 'review'") == 0


async def test_paid_and_every_webhook_lost_it_is_found_by_asking(till: Till) -> None:
    await till.pay(await till.press())
    for _ in range(4):
        await till.shop.later(minutes=3)
    assert await till.granted() == 1
    assert await till.shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_what_nobody_paid_grants_nothing_however_loudly_it_is_claimed(till: Till) -> None:
    other = await till.press(await till.shop.customer(8), "other")
    await till.pay(other)
    said = (await till.told())[-1]
    mine = await till.press(tap="mine")
    ref = await till.shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1")
    theirs = await till.shop.value("SELECT ref FROM payments ORDER BY id LIMIT 1")
    forged = replace(
        said,
        body=said.body.replace(theirs.encode(), ref.encode()),
        query=said.query.replace(theirs, ref),
    )
    await till.hear(forged)
    await till.shop.later(minutes=1)
    orders = "SELECT state FROM orders WHERE ref = :ref"
    assert await till.shop.value(orders, ref=mine.order_ref) == "open"
    assert await till.granted() <= 1


async def test_a_webhook_with_one_byte_changed_never_grants_what_was_not_paid(till: Till) -> None:
    await till.press()
    await till.pay(await till.press(await till.shop.customer(8), "other"))
    said = (await till.told())[-1]
    at = len(said.body) // 2
    for body in (said.body[:at] + bytes([said.body[at] ^ 1]) + said.body[at + 1 :], said.body[:at], b"", b"\x00" * 9):
        status, _ = await settling.webhook_came(till.shop.tools, till.name, replace(said, body=body, query=""))
        assert status in (200, 400)
    await till.shop.work()
    assert await till.granted() <= 1
    assert await till.balanced()


async def test_told_before_our_own_call_has_its_answer_it_is_granted_once_after_both(till: Till) -> None:
    checkout = await till.press()
    await till.pay(checkout)
    said = await till.told()
    query = "UPDATE payments SET external_id = NULL, state = 'creating', pay_url = NULL RETURNING id"
    await till.shop.rows(query)
    await till.hear(*said)
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 1
    assert await till.shop.value("SELECT count(*) FROM payments WHERE state = 'succeeded'") == 1


async def test_declined_or_run_out_the_customer_can_try_again(till: Till) -> None:
    if till.world.declined is None:
        pytest.skip("nobody declines there")
    anna = await till.shop.customer()
    checkout = await till.press(anna)
    await till.control.decline(await till.external_id(checkout))
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 0
    await till.pay(await till.press(anna, "again"))
    for _ in range(3):
        await till.shop.later(minutes=2)
    assert await till.granted() == 1


async def test_switched_off_it_takes_no_new_payments_and_settles_what_is_open(till: Till) -> None:
    await till.pay(await till.press())
    await till.shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    with pytest.raises(buying.NotForSale):
        await till.press(await till.shop.customer(8), "other")
    await till.hear(*await till.told())
    assert await till.granted() == 1


async def test_replaying_its_events_any_time_changes_nothing(till: Till) -> None:
    await till.pay(await till.press())
    await till.hear(*await till.told())
    till.shop.tools.clock.advance(days=30)  # type: ignore[attr-defined]
    for event in await eventbook.listed(till.shop.tools, eventbook.Filter()):
        await eventbook.replay(till.shop.tools, event.id, "operator:cli")
    assert await till.granted() == 1
    assert await till.balanced()


async def test_the_comparison_with_its_list_finds_what_was_missed(till: Till) -> None:
    if not isinstance(till.world.provider, Listing):
        pytest.skip("it has no list")
    await till.pay(await till.press())
    found = await banking.compare(till.shop.tools, till.name)
    assert (found.recovered, found.differences) == (1, [])
    assert await till.granted() == 1


@pytest.mark.weather
async def test_the_answer_to_our_call_is_lost_and_one_payment_is_made_all_the_same(till: Till) -> None:
    if not till.world.calls_to_open:
        pytest.skip("it is not asked")
    await till.control.fault(mode="drop_after", method="POST", route=till.world.creation, times=1)
    checkout = await till.press()
    assert checkout.pay_url is None
    for _ in range(4):
        await till.shop.later(seconds=40)
    assert len(await till.control.payments()) == 1
    external_id = await till.shop.value("SELECT external_id FROM payments")
    await till.control.pay(str(external_id))
    for _ in range(3):
        await till.shop.later(minutes=3)
    assert await till.granted() == 1


@pytest.mark.weather
@pytest.mark.parametrize("mode", [{"mode": "status", "status": 500}, {"mode": "html"}, {"mode": "drop_before"}])
async def test_a_provider_in_trouble_is_asked_again_and_nothing_is_lost(till: Till, mode: dict[str, Any]) -> None:
    await till.pay(await till.press())
    await till.control.fault(times=3, **mode)
    for _ in range(12):
        await till.shop.later(seconds=40)
    assert await till.granted() == 1
