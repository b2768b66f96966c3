"""A renewal in the middle of something else: what was paid is added, whole, and the other thing goes on as it was."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from ferryman.flows.keys import following, lifecycle, placing, provisioning, replacing, switching
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments import settling
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from tests.support.shop import Town

BY = Cause("operator:cli", "because of a test")
MONTH = timedelta(days=30)

Verb = Callable[[Tools, Subscription], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "extend": lambda tools, one: lifecycle.extend(tools, one.ref, 7, BY),
    "limit": lambda tools, one: lifecycle.limit(tools, one.ref, BY, devices=9),
    "freeze": lambda tools, one: lifecycle.freeze(tools, one.ref, BY),
    "disable": lambda tools, one: lifecycle.disable(tools, one.ref, BY),
    "replace": lambda tools, one: replacing.replace(tools, one.ref, BY),
}


async def held(shop: Town) -> Subscription:
    async with shop.tools.db.unit() as session:
        return await session.get_one(Subscription, await shop.value("SELECT id FROM subscriptions"))


async def go_round(shop: Town, rounds: int = 3) -> None:
    for _ in range(rounds):
        await shop.work()
        await placing.sweep(shop.tools)
        await provisioning.sweep(shop.tools)
        await following.sweep(shop.tools)
        await shop.work()
        shop.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]


async def buy(shop: Town, customer: Customer) -> None:
    await shop.webhook(shop.pay(await shop.order(customer)))


async def paid_and_settled(shop: Town) -> tuple[Customer, Subscription]:
    customer = await shop.customer()
    await buy(shop, customer)
    await go_round(shop, 1)
    return customer, await held(shop)


def clients(shop: Town) -> list[dict[str, Any]]:
    return [client for node in shop.panels for client in shop.clients(node).values()]


@pytest.mark.parametrize("name", VERBS)
async def test_a_renewal_after_it_and_at_the_same_moment_loses_nothing(shop: Town, name: str) -> None:
    customer, before = await paid_and_settled(shop)
    await VERBS[name](shop.tools, before)
    await buy(shop, customer)
    await go_round(shop)
    once = await held(shop)
    given = timedelta(days=7) if name == "extend" else timedelta(0)
    assert once.ends_at - before.ends_at == MONTH + given

    order = await shop.order(customer)
    await shop.webhook(shop.pay(order))
    event = await shop.value("SELECT max(id) FROM webhook_events")
    await asyncio.gather(settling.settle_event(shop.tools, event), VERBS[name](shop.tools, before))
    await go_round(shop)
    twice = await held(shop)
    assert twice.ends_at - once.ends_at == MONTH + given
    assert (twice.frozen_at, twice.disabled_at) == (once.frozen_at, once.disabled_at)
    assert twice.traffic_bytes == 3 * before.traffic_bytes
    if name == "limit":
        assert twice.devices == 9, "what staff set survives renewals"
    assert twice.replacing_since is None
    assert {client["uuid"] for client in clients(shop)} == {twice.uuid}
    assert len(clients(shop)) == 3
    assert {client["enable"] for client in clients(shop)} == {twice.enabled}
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


async def test_a_renewal_while_a_replacement_is_held_is_kept_and_opens_no_key(shop: Town) -> None:
    customer, before = await paid_and_settled(shop)
    shop.fault("nl-1", mode="drop_before", times=-1)
    await replacing.replace(shop.tools, before.ref, BY)
    await go_round(shop, 1)
    await buy(shop, customer)
    await go_round(shop, 1)
    held_up = await held(shop)
    assert held_up.replacing_since is not None
    assert held_up.ends_at - before.ends_at == MONTH
    assert [len(shop.clients(node)) for node in ("de-1", "nl-1", "fi-1")] == [0, 1, 0]
    assert await shop.value("SELECT count(*) FROM money_without_key") > 0, "visible where money is watched"
    await following.force(shop.tools, before.ref, BY)
    await go_round(shop, 1)
    shop.panels["nl-1"].weather.clear()
    # The node was down: keys come back to it when it has been healthy for a while.
    await go_round(shop, 1)
    await shop.rows("UPDATE nodes SET state = 'healthy' RETURNING id")
    await go_round(shop, 3)
    after = await held(shop)
    assert {client["uuid"] for client in clients(shop)} == {after.uuid} != {before.uuid}
    assert after.ends_at == held_up.ends_at
    assert len(clients(shop)) == 3


async def test_a_renewal_in_the_middle_of_a_switch_opens_no_second_key(shop: Town) -> None:
    await shop.rows("""UPDATE plans SET places = '{"rule": "one", "switch_hours": 0}' RETURNING id""")
    customer, before = await paid_and_settled(shop)
    (old,) = [node for node in shop.panels if shop.clients(node)]
    new = next(node for node in shop.panels if node != old)
    shop.fault(old, mode="drop_before", times=-1)
    await switching.switch(shop.tools, customer.id, before.ref, new, "tap")
    await buy(shop, customer)
    await go_round(shop, 1)
    assert [node for node in shop.panels if shop.clients(node)] == [old]
    shop.panels[old].weather.clear()
    await go_round(shop, 4)
    assert [node for node in shop.panels if shop.clients(node)] == [new]
    assert (await held(shop)).ends_at - before.ends_at == MONTH
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


async def test_who_was_deleted_and_buys_again_begins_anew(shop: Town) -> None:
    customer, before = await paid_and_settled(shop)
    await lifecycle.delete(shop.tools, before.ref, BY, forced=True)
    await go_round(shop, 2)
    assert clients(shop) == []
    await buy(shop, customer)
    await go_round(shop, 2)
    after = await held(shop)
    assert len(clients(shop)) == 3
    assert (after.ref, after.uuid, after.token) == (before.ref, before.uuid, before.token)
    assert timedelta(days=29, hours=23) < after.ends_at - shop.tools.clock.now() <= MONTH


async def test_a_payment_that_settles_while_it_is_deleted_is_not_lost(shop: Town) -> None:
    customer, before = await paid_and_settled(shop)
    await shop.webhook(shop.pay(await shop.order(customer)))
    event = await shop.value("SELECT max(id) FROM webhook_events")
    await asyncio.gather(
        settling.settle_event(shop.tools, event),
        lifecycle.delete(shop.tools, before.ref, BY, forced=True),
    )
    await go_round(shop)
    after = await held(shop)
    # Either the deletion gave up what was bought a moment before it, and says so, or the purchase began it anew.
    lost = await shop.value("SELECT (detail->>'lost_seconds')::bigint FROM key_events WHERE what = 'deleted'")
    ended = after.ended(shop.tools.clock.now())
    assert lost > 31 * 86400 if ended else lost <= 30 * 86400
    assert len(clients(shop)) == (0 if ended else 3)
