"""A renewal whose worker is killed −9 at one step of its way after the other: charged, granted and told of once."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ferryman.flows.payments import buying
from ferryman.kit.steps import VARIABLE, Step
from tests.faces.shell import Shell
from tests.support.chat import Messenger, Person, until
from tests.support.shop import Town

# In the order in which one renewal comes to them. What follows is the way of keys and notices, as after any purchase.
WAY = (
    Step.CHARGE_WRITTEN,
    Step.CHARGE_MADE,
    Step.FACT_HEARD,
    Step.PAYMENT_SETTLED,
    Step.SUBSCRIPTION_GRANTED,
    Step.PAYMENT_COMMITTED,
    Step.KEYS_PUT,
)
# A killed worker's jobs are taken over within two seconds, and what it had begun to ask is asked again a little later.
PATIENCE = 60.0

pytestmark = [pytest.mark.kill, pytest.mark.timeout(400)]


@pytest.fixture
def anna(bot_api: Messenger) -> Person:
    person = bot_api.person()
    person.start()
    return person


@pytest.fixture
async def due(shop: Town, anna: Person) -> Town:
    """Anna's month, bought with a card that is kept, ends in twenty hours, and she was told three days ago."""
    customer = await shop.customer(anna.id)
    wish = buying.Wish(customer.id, await shop.term(), "yookassa.bank_card", secrets.token_hex(8), keep=True)
    await shop.webhook(shop.pay(await buying.begin(shop.tools, wish)))
    await shop.work()
    # The workers have the real clock, so it is the subscription that grows old, on the panels as well.
    await shop.rows("UPDATE subscriptions SET ends_at = now() + interval '20 hours' RETURNING id")
    await shop.rows(
        """UPDATE renewals r SET period_end = s.ends_at, next_try_at = now(), told_minor = minor,
                                 told_at = now() - interval '3 days'
           FROM subscriptions s WHERE s.id = r.subscription_id RETURNING r.id"""
    )
    async with shop.tools.db.unit() as session:
        number = await shop.value("SELECT id FROM renewals")
        await shop.tools.jobs.defer(session, "look_at_renewal", agreement_id=number)
    return shop


@asynccontextmanager
async def worker(shell: Shell, step: Step | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """One that works until it comes to the step, or until the end of the block."""
    shell.variables[VARIABLE] = step or ""
    process = await shell.start("worker")
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def test_killed_at_every_step_of_its_way_it_is_charged_granted_and_told_of_once(
    due: Town, shell: Shell, anna: Person
) -> None:
    for step in WAY:
        async with worker(shell, step) as killed:
            assert await asyncio.wait_for(killed.wait(), PATIENCE) == -signal.SIGKILL, step
    async with worker(shell):
        await until(lambda: _is_over(due), "keys and message", PATIENCE)
    assert [kept["object"]["status"] for _, kept in due.bank.store.all("payment")] == ["succeeded", "succeeded"]
    assert await due.rows("SELECT count(*) FROM renewal_charges") == [(1,)]
    assert await due.rows("SELECT count(*), count(DISTINCT order_id) FROM grants") == [(2, 2)]
    assert await due.rows("SELECT coalesce(sum(minor), 0) FROM ledger_entries") == [(0,)]
    assert await due.rows("SELECT period_end = ends_at FROM renewals, subscriptions") == [(True,)]
    assert await due.rows("SELECT kind FROM notices WHERE kind LIKE 'renew%' ORDER BY id") == [
        ("renewal_on",),
        ("renewed",),
    ]
    ends_at = (await due.value("SELECT ends_at FROM subscriptions")).timestamp() * 1000
    for name in due.panels:
        assert [client["expiryTime"] for client in due.clients(name).values()] == [pytest.approx(ends_at, abs=1)], name
    told = [message for message in anna.shown() if "199" in str(message.get("text"))]
    assert len(told) == 1


async def _is_over(shop: Town) -> bool:
    return not await shop.value(
        """SELECT (SELECT count(*) FROM keys WHERE wanted AND seen_revision IS DISTINCT FROM wanted_revision)
                + (SELECT count(*) FROM notices WHERE state = 'queued') + (SELECT count(*) FROM money_without_key)
                + (2 - (SELECT count(*) FROM grants))"""
    )
