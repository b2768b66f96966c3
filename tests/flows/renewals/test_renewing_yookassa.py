"""Renewal by a card that YooKassa keeps, over real HTTP to its emulator."""

import secrets
from typing import Any

import pytest

from ferryman.flows.payments import buying
from ferryman.flows.renewals import renewing
from ferryman_sandbox.weather import Fault
from tests.support.shop import Town


@pytest.fixture
async def renewed_shop(shop: Town) -> Town:
    """Anna has bought a month with a card, and wished that it renews."""
    anna = await shop.customer()
    wish = buying.Wish(anna.id, await shop.term(), "yookassa.bank_card", secrets.token_hex(8), keep=True)
    checkout = await buying.begin(shop.tools, wish)
    await shop.webhook(shop.pay(checkout))
    await shop.work()
    return shop


async def later(shop: Town, **by: float) -> None:
    shop.tools.clock.advance(**by)  # type: ignore[attr-defined]
    await renewing.sweep(shop.tools)
    await shop.later(seconds=0)


def payments(shop: Town) -> list[dict[str, Any]]:
    return [kept["object"] for _, kept in shop.bank.store.all("payment")]


async def test_a_kept_card_is_charged_without_its_owner(renewed_shop: Town) -> None:
    assert await renewed_shop.value("SELECT title FROM renewals") != ""
    await later(renewed_shop, days=27, minutes=1)
    assert len(payments(renewed_shop)) == 1
    await later(renewed_shop, days=2)
    charged = payments(renewed_shop)[-1]
    assert (len(payments(renewed_shop)), charged["status"], "confirmation" in charged) == (2, "succeeded", False)
    assert await renewed_shop.value("SELECT count(*) FROM grants") == 2
    assert await renewed_shop.value("SELECT coalesce(sum(minor), 0) FROM ledger_entries") == 0


async def test_a_lost_answer_to_a_charge_is_one_charge(renewed_shop: Town) -> None:
    await later(renewed_shop, days=27, minutes=1)
    renewed_shop.bank.weather.add(Fault.from_json({"mode": "drop_after", "route": "/v3/payments", "method": "POST"}))
    await later(renewed_shop, days=2)
    await later(renewed_shop, minutes=2)
    assert len(payments(renewed_shop)) == 2
    assert await renewed_shop.value("SELECT count(*) FROM grants") == 2


async def test_a_permission_that_was_withdrawn_ends_it(renewed_shop: Town) -> None:
    """`permission_revoked` disables the kept method."""
    renewed_shop.bank.shop.revoke_method(payments(renewed_shop)[0]["payment_method"]["id"])
    await later(renewed_shop, days=27, minutes=1)
    await later(renewed_shop, days=2)
    assert await renewed_shop.rows("SELECT state, why FROM renewals") == [("failed", "permission_revoked")]
    before = len(payments(renewed_shop))
    await later(renewed_shop, days=3)
    assert len(payments(renewed_shop)) == before
