"""The inbox for people: every event with its verdict and trace, safe replay, contents that go in time."""

import json

import pytest

from ferryman.billing import inbox
from ferryman.billing.provider import Fact, PaymentState, RawWebhook
from ferryman.flows.payments import eventbook, settling
from ferryman.flows.payments.eventbook import Filter
from ferryman.kit.errors import NotFound
from ferryman.kit.money import Money
from tests.support.shop import Town, notification


async def came(shop: Town) -> int:
    """One event, worked through; its number."""
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    return int(await shop.value("SELECT max(id) FROM webhook_events"))


async def test_an_event_is_found_by_what_is_known_of_it(shop: Town) -> None:
    number = await came(shop)
    ref = str(await shop.value("SELECT ref FROM payments"))
    for which in (Filter(), Filter(provider="yookassa"), Filter(payment=ref), Filter(verdict="paid")):
        assert [one.id for one in await eventbook.listed(shop.tools, which)] == [number]
    for other in (Filter(provider="coingate"), Filter(payment="x"), Filter(verdict="x"), Filter(waiting=True)):
        assert await eventbook.listed(shop.tools, other) == []


async def test_the_trace_says_what_happened_in_order(shop: Town) -> None:
    number = await came(shop)
    payment = next(kept["object"] for _, kept in shop.bank.store.all("payment"))
    await shop.webhook(payment)
    await shop.work()
    trace = [step["what"] for step in (await eventbook.one(shop.tools, number)).trace]
    assert trace == ["kept", "paid", "came again", "already_settled"]


async def test_replaying_grants_nothing_twice_and_is_in_the_trace(shop: Town) -> None:
    number = await came(shop)
    for _ in range(3):
        assert await eventbook.replay(shop.tools, number, "operator:cli") == "already_settled"
    assert await shop.value("SELECT count(*) FROM grants") == 1
    assert "replayed by operator:cli" in [step["what"] for step in (await eventbook.one(shop.tools, number)).trace]
    with pytest.raises(NotFound):
        await eventbook.replay(shop.tools, 999_999, "operator:cli")


async def test_replaying_settles_what_could_not_be_settled_then(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    kept = shop.bank.store.get("payment", paid["id"])
    shop.bank.store.drop("payment", paid["id"])
    await shop.webhook(paid)
    await shop.work()
    assert await shop.value("SELECT verdict FROM webhook_events") == "unknown_to_provider"
    shop.bank.store.put("payment", paid["id"], kept or {})
    assert await eventbook.replay(shop.tools, 1, "operator:cli") == "paid"


async def test_headers_are_kept_without_what_may_be_a_secret(shop: Town) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    headers = {"content-type": "application/json", "authorization": "Basic c2VjcmV0", "x-signature": "s" * 5000}
    raw = RawWebhook(notification(paid), headers, "203.0.113.7", "a=1")
    await settling.webhook_came(shop.tools, "yookassa", raw)
    [event] = await eventbook.listed(shop.tools, Filter())
    assert event.headers == {"content-type": "application/json", "authorization": "•••", "x-signature": "•••"}
    assert (event.remote_ip, event.query) == ("203.0.113.7", "a=1")


async def test_contents_are_taken_out_in_time_and_what_became_of_them_stays(shop: Town) -> None:
    number = await came(shop)
    await eventbook.redact(shop.tools)
    assert (await eventbook.one(shop.tools, number)).body
    shop.tools.clock.advance(days=shop.tools.settings.events_kept_days + 1)  # type: ignore[attr-defined]
    await eventbook.redact(shop.tools)
    event = await eventbook.one(shop.tools, number)
    assert (event.body, event.headers, event.remote_ip, event.query) == (b"", {}, "", "")
    assert event.redacted_at is not None
    assert (event.verdict, [step["what"] for step in event.trace]) == ("paid", ["kept", "paid"])
    # It can be replayed all the same: what is true is asked, not read.
    assert await eventbook.replay(shop.tools, number, "operator:cli") == "already_settled"


def test_a_fact_survives_being_kept() -> None:
    fact = Fact(
        "charge",
        "ref",
        PaymentState.SUCCEEDED,
        Money(250, "XTR"),
        test=False,
        reason="why",
        fee=Money(1, "XTR"),
        refunded=Money(2, "XTR"),
        renews=True,
        details={"payer": 7},
    )
    assert inbox.read(json.loads(json.dumps(inbox.written(fact)))) == fact
