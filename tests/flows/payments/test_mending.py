"""What is stuck is named with where, since when and why; repairing it is safe, and does what the sweeps would do."""

import pytest

from ferryman.flows.payments import mending
from ferryman.kit.errors import NotFound, Refused
from tests.support.shop import Town


async def ref(shop: Town) -> str:
    return str(await shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1"))


async def test_a_key_that_a_panel_does_not_take_is_named_with_its_node_and_repaired_when_it_does(shop: Town) -> None:
    shop.fault("nl-1", mode="status", status=500, times=-1)
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    [one] = await mending.stuck(shop.tools)
    assert (one.ref, one.why) == (await ref(shop), "keys missing")
    assert [line.partition(":")[0] for line in one.where] == ["nl-1"]
    assert "still missing: nl-1" in (await mending.repair(shop.tools, one.ref, "operator:cli"))[-1]
    shop.panels["nl-1"].weather.clear()
    shop.tools.clock.advance(minutes=5)  # type: ignore[attr-defined]
    assert (await mending.repair(shop.tools, one.ref, "operator:cli"))[-1] == "every key is where it belongs"
    assert await mending.stuck(shop.tools) == []


async def test_repairing_asks_the_bank_about_what_is_still_open(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    done = await mending.repair(shop.tools, await ref(shop), "operator:cli")
    assert (done[0], done[-1]) == ("asked the provider: paid", "every key is where it belongs")
    assert await shop.value("SELECT count(*) FROM grants") == 1


async def test_repairing_twice_grants_once(shop: Town) -> None:
    shop.pay(await shop.order(await shop.customer()))
    for _ in range(3):
        await mending.repair(shop.tools, await ref(shop), "operator:cli")
    assert await shop.value("SELECT count(*) FROM grants") == 1
    assert await shop.value("SELECT count(*) FROM ledger_transactions WHERE kind = 'purchase'") == 1


async def test_a_success_that_somehow_was_not_granted_is_granted(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    await shop.rows("DELETE FROM grants RETURNING id")
    assert [one.why for one in await mending.stuck(shop.tools)] == ["not granted"]
    await mending.repair(shop.tools, await ref(shop), "operator:cli")
    assert await mending.stuck(shop.tools) == []


async def test_what_was_not_paid_gets_nothing(shop: Town) -> None:
    await shop.order(await shop.customer())
    assert "nothing was granted" in (await mending.repair(shop.tools, await ref(shop), "operator:cli"))[-1]
    assert await shop.value("SELECT count(*) FROM grants") == 0


async def test_a_payment_in_review_is_for_a_person(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": "1.00", "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    with pytest.raises(Refused, match="ferryman payment accept"):
        await mending.repair(shop.tools, await ref(shop), "operator:cli")
    with pytest.raises(NotFound):
        await mending.repair(shop.tools, "no-such-payment", "operator:cli")


async def test_time_that_nobody_paid_for_is_found(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    assert await mending.unexplained(shop.tools) == []
    await shop.rows("UPDATE subscriptions SET ends_at = ends_at + interval '30 days' RETURNING id")
    [one] = await mending.unexplained(shop.tools)
    assert one.explained_until is not None
    assert (one.ends_at - one.explained_until).days == 30
