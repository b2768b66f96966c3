"""A kept card whose token cannot be opened, as the secret key that sealed it is gone: said, and never left open."""

import pytest

from ferryman.billing.renewal import By, State
from ferryman.flows.renewals import consenting
from ferryman.kit.errors import Unreachable
from tests.support.subscriber import Subscriber


@pytest.fixture
async def anna(anna: Subscriber) -> Subscriber:
    """Has a month, and a card that was kept."""
    await anna.buys()
    return anna


async def the_key_is_lost(anna: Subscriber) -> bytes:
    """The token as it was, to be put back."""
    sealed: bytes = await anna.value("SELECT sealed_token FROM renewals")
    await put_back(anna, b"sealed with another key")
    return sealed


async def put_back(anna: Subscriber, sealed: bytes) -> None:
    await anna.do("UPDATE renewals SET sealed_token = :sealed", sealed=sealed)


async def test_each_try_fails_and_is_told_and_after_the_third_it_is_off(anna: Subscriber) -> None:
    await the_key_is_lost(anna)
    await anna.reaches_the_charge()
    said = await anna.last_words("renewal_failed")
    assert (said["reason"], bool(said["again"])) == ("method_off", True)
    for _ in range(4):
        await anna.later(days=1)
    one = await anna.agreement()
    assert (one.state, one.why, one.tries) == (State.FAILED, "method_off", 3)
    assert (await anna.told()).count("renewal_failed") == 3
    assert anna.bank.charges == 0
    assert await anna.value("SELECT count(*) FROM payments WHERE state NOT IN ('succeeded', 'cancelled')") == 0


async def test_it_is_not_offered_again_while_the_key_is_missing(anna: Subscriber) -> None:
    ref = (await anna.subscription()).ref
    assert (await consenting.switch_off(anna.tools, anna.customer_id, ref)).offer == By.KEPT
    sealed = await the_key_is_lost(anna)
    seen = await consenting.look(anna.tools, anna.customer_id, ref)
    assert (seen.offer, seen.kept) == ("", True)
    await put_back(anna, sealed)
    assert (await consenting.look(anna.tools, anna.customer_id, ref)).offer == By.KEPT


async def test_with_the_key_put_back_in_time_it_goes_on(anna: Subscriber) -> None:
    sealed = await the_key_is_lost(anna)
    await anna.reaches_the_charge()
    await put_back(anna, sealed)
    await anna.later(days=1)
    assert anna.bank.taken == [19900, 19900]
    assert (await anna.agreement()).active


async def test_a_charge_that_was_sent_before_the_key_was_lost_is_found_and_granted(anna: Subscriber) -> None:
    await anna.is_warned()
    anna.bank.failures = [(Unreachable("No answer."), "after")]
    await anna.reaches_the_charge()
    assert await anna.books() == (1, 1, 0)
    await the_key_is_lost(anna)
    await anna.later(minutes=2)
    await anna.later(minutes=10)
    assert await anna.books() == (2, 2, 0)
    assert anna.bank.charges == 1
    assert "renewal_failed" not in await anna.told()
