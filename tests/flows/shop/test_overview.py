"""Money without key: every way a paid customer can be left without what they paid for shows up in one list."""

from ferryman.billing import ledger
from ferryman.flows.payments import mending
from ferryman.flows.shop import overview
from tests.support.shop import Town


async def stuck(shop: Town) -> list[tuple[str, str]]:
    return [(one.ref, one.why) for one in await mending.stuck(shop.tools)]


async def sold(shop: Town, telegram_id: int = 7) -> str:
    await shop.webhook(shop.pay(await shop.order(await shop.customer(telegram_id))))
    await shop.work()
    return str(await shop.value("SELECT ref FROM payments ORDER BY id DESC LIMIT 1"))


async def test_a_sale_that_went_well_is_not_in_it(shop: Town) -> None:
    await sold(shop)
    assert await stuck(shop) == []


async def test_each_way_to_be_left_without_a_key_is_in_it_and_leaves_it_when_mended(shop: Town) -> None:
    ref = await sold(shop)
    for harm, repair in (
        ("UPDATE keys SET seen_revision = NULL", "UPDATE keys SET seen_revision = wanted_revision"),
        ("UPDATE keys SET seen_revision = 0 WHERE id = 1", "UPDATE keys SET seen_revision = wanted_revision"),
        ("UPDATE subscriptions SET revision = 2", "UPDATE subscriptions SET revision = 1"),
        ("UPDATE nodes SET mode = 'off'", "UPDATE nodes SET mode = 'active'"),
    ):
        await shop.rows(f"{harm} RETURNING id")
        assert await stuck(shop) == [(ref, "keys missing")], harm
        await shop.rows(f"{repair} RETURNING id")
        assert await stuck(shop) == [], repair


async def test_keys_that_were_never_written_down_are_in_it(shop: Town) -> None:
    ref = await sold(shop)
    await shop.rows("DELETE FROM keys RETURNING id")
    assert await stuck(shop) == [(ref, "keys missing")]


async def test_a_subscription_whose_nodes_were_not_chosen_yet_is_in_it(shop: Town) -> None:
    ref = await sold(shop)
    await shop.rows("UPDATE subscriptions SET placed_revision = 0 RETURNING id")
    assert await stuck(shop) == [(ref, "keys missing")]


async def test_a_success_that_was_never_granted_is_in_it(shop: Town) -> None:
    ref = await sold(shop)
    await shop.rows("DELETE FROM grants RETURNING id")
    assert await stuck(shop) == [(ref, "not granted")]


async def test_a_subscription_that_has_ended_owes_no_key(shop: Town) -> None:
    await sold(shop)
    await shop.rows(
        "UPDATE subscriptions SET starts_at = now() - interval '9 day', ends_at = now() - interval '1 day' RETURNING id"
    )
    await shop.rows("DELETE FROM keys RETURNING id")
    assert await stuck(shop) == []


async def test_a_second_payment_on_the_balance_owes_no_key(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    paid = shop.pay(checkout)
    await shop.webhook(paid)
    await shop.work()
    twin = "22e12f66-000f-5000-8000-18db351245c7"
    shop.rewrite(paid, id=twin)
    await shop.webhook({**paid, "id": twin})
    await shop.work()
    assert await shop.value("SELECT count(*) FROM payments WHERE state = 'succeeded'") == 2
    assert await stuck(shop) == []


async def test_the_oldest_comes_first_and_the_age_is_told(shop: Town) -> None:
    first, second = await sold(shop, 7), await sold(shop, 8)
    await shop.rows("DELETE FROM keys RETURNING id")
    hour_ago = "UPDATE payments SET succeeded_at = now() - interval '1 hour' WHERE ref = :ref RETURNING id"
    await shop.rows(hour_ago, ref=second)
    assert [ref for ref, _ in await stuck(shop)] == [second, first]
    async with shop.tools.db.unit() as session:
        told = await overview.numbers(session, await ledger.trial_balance(session))
    assert (told["money_without_key"], told["lost"]) == (2, 0)
    assert 3600 <= told["oldest_stuck_seconds"] < 3700


async def test_a_renewal_on_its_way_is_as_old_as_the_renewal_not_as_the_first_month(shop: Town) -> None:
    anna = await shop.customer()
    for _ in range(2):
        await shop.webhook(shop.pay(await shop.order(anna)))
        await shop.work()
    first, second = await shop.rows("SELECT ref FROM payments ORDER BY id")
    long_ago = "UPDATE payments SET succeeded_at = now() - interval '30 day' WHERE ref = :ref RETURNING id"
    await shop.rows(long_ago, ref=first[0])
    await shop.rows("UPDATE keys SET seen_revision = 0 RETURNING id")
    assert await stuck(shop) == [(second[0], "keys missing")]
