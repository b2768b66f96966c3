"""A charge that was written down and is wanted no more: what was sent has its effect, and nothing is sent anew."""

from collections.abc import Awaitable, Callable

import pytest

from ferryman.billing.methods import Method
from ferryman.billing.renewal import State
from ferryman.flows.keys import lifecycle
from ferryman.flows.keys.handling import Cause
from ferryman.flows.payments import settling
from ferryman.flows.renewals import consenting, renewing
from ferryman.kit.errors import Refused, Unreachable
from tests.support.subscriber import Subscriber

BY = Cause("operator:cli", "because of a test")
Deed = Callable[[Subscriber], Awaitable[object]]


async def _ref(anna: Subscriber) -> str:
    return (await anna.subscription()).ref


async def _stop(anna: Subscriber) -> object:
    return await consenting.switch_off(anna.tools, anna.customer_id, await _ref(anna))


async def _ban(anna: Subscriber) -> None:
    await anna.do("UPDATE customers SET banned = true")


async def _by_hand(anna: Subscriber) -> object:
    return await anna.buys(keep=False)


async def _give_days(anna: Subscriber) -> object:
    return await lifecycle.extend(anna.tools, await _ref(anna), 20, BY)


async def _delete(anna: Subscriber) -> object:
    return await lifecycle.delete(anna.tools, await _ref(anna), BY, forced=True)


async def _disable(anna: Subscriber) -> object:
    return await lifecycle.disable(anna.tools, await _ref(anna), BY)


async def _freeze(anna: Subscriber) -> object:
    return await lifecycle.freeze(anna.tools, await _ref(anna), BY)


DEEDS: dict[str, Deed] = {
    "stopped": _stop, "blocked": _ban, "paid by hand": _by_hand, "given days": _give_days, "deleted": _delete,
    "switched off": _disable, "frozen": _freeze,
}  # fmt: skip


@pytest.fixture
async def anna(anna: Subscriber) -> Subscriber:
    """Has a month, a card that was kept, and stands right before the charge."""
    await anna.buys()
    await anna.stands_before_the_charge()
    return anna


async def put_down(anna: Subscriber) -> int:
    """Order and payment are committed, and the provider has not been asked: its process ended there."""
    await renewing.look(anna.tools, (await anna.agreement()).id)
    number = await anna.value("SELECT max(payment_id) FROM renewal_charges")
    assert number is not None
    return int(number)


@pytest.mark.parametrize("name", DEEDS)
async def test_a_charge_that_was_not_sent_yet_is_not_sent(anna: Subscriber, name: str) -> None:
    number = await put_down(anna)
    # The job is lost with its process: it is for the sweep.
    await anna.do("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'ask_payment'")
    await DEEDS[name](anna)
    await anna.later(minutes=2)
    await anna.later(minutes=2)
    assert anna.bank.charges == 0
    assert await anna.value("SELECT state FROM payments WHERE id = :id", id=number) == "cancelled"
    assert await anna.value("SELECT coalesce(sum(minor), 0) FROM ledger_entries") == 0
    failed = (await anna.told()).count("renewal_failed")
    assert failed == 0, "nothing failed: it was not tried"


async def test_switched_on_again_by_the_operator_it_is_tried_as_if_for_the_first_time(anna: Subscriber) -> None:
    await put_down(anna)
    await anna.do("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'ask_payment'")
    await _disable(anna)
    await anna.later(minutes=2)
    assert ((await anna.agreement()).tries, anna.bank.charges) == (0, 0)
    await lifecycle.enable(anna.tools, await _ref(anna), BY)
    await anna.later(hours=2)
    assert anna.bank.taken == [19900, 19900]


@pytest.mark.parametrize("name", DEEDS)
async def test_a_charge_whose_answer_was_lost_is_found_and_not_repeated(anna: Subscriber, name: str) -> None:
    """It was taken: money that came is not lost."""
    anna.bank.failures = [(Unreachable("No answer."), "after")]
    await anna.comes_round(1)
    assert anna.bank.charges == 1
    await DEEDS[name](anna)
    await anna.later(minutes=2)
    await anna.later(minutes=10)
    assert anna.bank.charges == 1
    state = await anna.value("SELECT p.state FROM payments p JOIN renewal_charges c ON c.payment_id = p.id")
    assert state == "succeeded"
    grants, paid, ledger = await anna.books()
    assert (grants, ledger) == (paid, 0)
    credited = await anna.value("SELECT count(*) FROM notices WHERE kind = 'payment_of_barred_credited'")
    assert credited == (1 if name == "blocked" else 0)


async def test_out_of_the_balance_nothing_is_taken_after_a_stop_either(anna: Subscriber) -> None:
    async with anna.tools.db.unit() as session:
        session.add(Method(name="balance", position=2, sealed_config=anna.tools.vault.seal({})))
    await anna.do(
        """WITH made AS (INSERT INTO ledger_transactions (kind, source) VALUES ('credit', 'test') RETURNING id)
           INSERT INTO ledger_entries (transaction_id, account, minor, currency)
           SELECT made.id, side.account, side.minor, 'RUB' FROM made, (VALUES ('provider:test', 19900),
             ('customer:' || :who, -19900)) AS side (account, minor)""",
        who=str(anna.customer_id),
    )
    await anna.do("UPDATE renewals SET by = 'balance', provider = 'balance', sealed_token = NULL")
    number = await put_down(anna)
    await _stop(anna)
    with pytest.raises(Refused):
        await settling.settle_payment(anna.tools, number)
    assert await anna.value("SELECT sum(minor)::int FROM ledger_entries WHERE account LIKE 'customer:%'") == -19900
    assert (await anna.value("SELECT count(*) FROM grants"), (await anna.told())[-1]) == (1, "renewal_stopped")


async def test_two_tries_of_two_orders_that_both_succeed_renew_once(anna: Subscriber) -> None:
    """The price fell between them, so the second try is another order."""
    anna.bank.verdicts = ["general_decline"]
    await anna.comes_round()
    first = list(anna.bank.payments)[-1]
    await anna.do("UPDATE prices SET minor = 14900 WHERE currency = 'RUB'")
    await anna.later(days=1)
    assert anna.bank.taken == [19900, 14900]
    late = anna.bank.say(first, state="succeeded", reason=None)
    number = await anna.value("SELECT id FROM payments WHERE external_id = :id", id=late.external_id)
    await settling.settle_payment(anna.tools, number)
    assert await anna.books() == (2, 2, 0)
    assert await anna.value("SELECT sum(minor)::int FROM ledger_entries WHERE account LIKE 'customer:%'") == -19900
    assert (await anna.told())[-1] == "renewal_credited"
    assert (await anna.agreement()).active


@pytest.mark.parametrize("what", ["UPDATE plans SET active = false", "DELETE FROM prices WHERE currency = 'RUB'"])
async def test_what_was_written_down_before_the_plan_was_withdrawn_is_charged_once_and_granted(
    anna: Subscriber, what: str
) -> None:
    number = await put_down(anna)
    await anna.do(what)
    await settling.settle_payment(anna.tools, number)
    for _ in range(15):
        await anna.later(days=3)
    assert anna.bank.taken == [19900, 19900]
    assert await anna.books() == (2, 2, 0)
    assert (await anna.agreement()).state == State.STOPPED
