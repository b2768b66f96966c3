"""A provider that does not accept the shop's credentials: nothing new is offered there, and nothing open is lost."""

import pytest

from ferryman.flows.orders import credentials, offering
from ferryman.flows.payments import ways
from ferryman.flows.payments.buying import NotForSale
from ferryman.flows.payments.ways import Edit
from ferryman.kit.errors import AccessDenied, Unreachable
from ferryman_sandbox.weather import Fault
from tests.support.shop import Town

DENIED = "SELECT denied_at IS NOT NULL FROM payment_methods WHERE name = 'yookassa'"


def deny(shop: Town, **which: object) -> None:
    """The bank refuses the shop's key, whatever it is asked, unless `which` says of what."""
    shop.bank.weather.add(Fault.from_json({"mode": "status", "status": 401, "times": -1, **which}))


async def offered(shop: Town) -> set[str]:
    """The providers that a customer may choose among."""
    async with shop.tools.db.unit() as session:
        return {one.provider for one in await offering.choices(shop.tools, session) if one.offered}


async def denied(shop: Town) -> None:
    """One customer has met the refusal."""
    deny(shop)
    with pytest.raises(AccessDenied):
        await shop.order(await shop.customer())
    assert await shop.value(DENIED)


async def sweep(shop: Town, **later: float) -> bool:
    """Whether it is still denied when so much time has passed and the sweep has come round."""
    shop.tools.clock.advance(**later)  # type: ignore[attr-defined]
    await credentials.sweep(shop.tools)
    return bool(await shop.value(DENIED))


async def test_contract_07_a_refused_key_takes_the_button_away_and_nobody_else_meets_the_refusal(shop: Town) -> None:
    await ways.edit(shop.tools, "balance", Edit(enabled=True))
    assert await offered(shop) == {"yookassa", "balance"}
    await denied(shop)
    met = shop.bank.weather.hits["status"]
    assert met == 1, "a refusal is not asked about again at once"
    assert await offered(shop) == {"balance"}
    with pytest.raises(NotForSale):
        await shop.order(await shop.customer(8))
    assert shop.bank.weather.hits["status"] == met


async def test_it_is_offered_again_once_the_key_is_accepted(shop: Town) -> None:
    await denied(shop)
    assert await sweep(shop, minutes=6)
    shop.bank.weather.clear()
    assert not await sweep(shop, minutes=1)
    assert await offered(shop) == {"yookassa"}


async def test_a_key_that_is_accepted_and_may_not_be_used_meets_one_customer_in_five_minutes(shop: Town) -> None:
    deny(shop, route="/v3/payments", method="POST")
    with pytest.raises(AccessDenied):
        await shop.order(await shop.customer())
    assert await sweep(shop, minutes=4)
    assert not await sweep(shop, minutes=2)
    with pytest.raises(AccessDenied):
        await shop.order(await shop.customer(8))
    assert await sweep(shop, minutes=4)


async def test_a_provider_that_is_silent_says_nothing_about_the_key(shop: Town) -> None:
    await denied(shop)
    shop.bank.weather.clear()
    shop.bank.weather.add(Fault.from_json({"mode": "status", "status": 500, "times": -1}))
    assert await sweep(shop, minutes=6)
    await shop.rows("UPDATE payment_methods SET denied_at = NULL RETURNING name")
    assert (await shop.order(await shop.customer(8))).pay_url is None
    assert await offered(shop) == {"yookassa"}


async def test_new_settings_that_are_accepted_offer_it_at_once(shop: Town) -> None:
    await denied(shop)
    with pytest.raises(AccessDenied):
        await ways.edit(shop.tools, "yookassa", Edit(enabled=True))
    assert await offered(shop) == set()
    shop.bank.weather.clear()
    await ways.edit(shop.tools, "yookassa", Edit(position=3))
    assert await offered(shop) == {"yookassa"}


async def test_what_was_open_is_paid_once_the_key_is_accepted_again(shop: Town) -> None:
    """The webhook came, and nobody could ask whether it is true."""
    paid = shop.pay(await shop.order(await shop.customer()))
    deny(shop)
    await shop.webhook(paid)
    await shop.work()
    assert await shop.value(DENIED)
    assert await shop.value("SELECT count(*) FROM grants") == 0
    shop.bank.weather.clear()
    await shop.later(minutes=2)
    assert await shop.value("SELECT count(*) FROM grants") == 1
    assert not await sweep(shop, minutes=6)


async def test_the_question_about_an_open_payment_finds_it_out_as_well(shop: Town) -> None:
    await shop.order(await shop.customer())
    deny(shop)
    await shop.later(minutes=1)
    assert await offered(shop) == set()


async def test_a_payment_that_could_not_be_opened_is_opened_later_and_the_customer_has_the_link(shop: Town) -> None:
    await denied(shop)
    shop.bank.weather.clear()
    await shop.later(minutes=2)
    assert await shop.value("SELECT count(*) FROM payments WHERE state = 'pending' AND pay_url IS NOT NULL") == 1
    assert await shop.value("SELECT count(*) FROM notices WHERE kind = 'payment_link'") == 1


async def test_only_a_refusal_is_written_down(shop: Town) -> None:
    with pytest.raises(Unreachable):
        async with credentials.watched(shop.tools, "yookassa"):
            raise Unreachable("No answer.")
    assert not await shop.value(DENIED)


async def test_one_that_cannot_be_made_at_all_stays_denied_and_does_not_hold_up_the_others(shop: Town) -> None:
    """Its settings were written with a key that is gone."""
    await denied(shop)
    await shop.rows(
        "INSERT INTO payment_methods (name, enabled, position, sealed_config, denied_at)"
        " VALUES ('coingate', true, 1, '\\x00', now() - interval '1 year') RETURNING name"
    )
    shop.bank.weather.clear()
    assert not await sweep(shop, minutes=6)
    assert await shop.value("SELECT denied_at IS NOT NULL FROM payment_methods WHERE name = 'coingate'")
