"""One purchase, and kill −9 of the whole product at a named step of it; after the restart the story ends as always.

The emulators or the database hold the product at its step: a call that gets no answer, a table that another
transaction has locked. The product itself knows nothing of being tested.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import psycopg
import pytest

from tests.kill.conftest import Lab, Launch
from tests.kill.people import Person
from tests.support.chat import until

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]

# A dead worker's jobs run again at most 26 s later, a notice that was being sent when it died at most 75 s later.
SETTLE_SECONDS = 110.0
NODES = ("de-1", "nl-1", "fi-1")
ADD = {"route": "/clients/add", "method": "POST"}


@pytest.fixture
async def lab(launch: Launch) -> AsyncIterator[Lab]:
    async with launch(("run",)) as launched:
        yield launched


@pytest.fixture
async def anna(lab: Lab) -> Person:
    """Has chosen what to buy, and has only to say how she pays."""
    person = lab.person("Anna")
    await person.come()
    await person.choose()
    return person


@pytest.mark.parametrize(("mode", "made"), [("hang", 0), ("hang_after", 1)], ids=["before", "after"])
async def test_killed_while_the_bank_makes_the_payment(lab: Lab, anna: Person, mode: str, made: int) -> None:
    await lab.fault("yookassa", mode=mode, route="/v3/payments", method="POST")
    await anna.press_pay()
    await until(lambda: lab.hit("yookassa", mode), "the product to call the bank")
    await _kill_and_restart(lab)
    assert len(await lab.bank()) == made
    await anna.pay(await anna.see_the_way_to_the_bank())
    await _ends_well(lab)


async def test_killed_before_the_webhook_is_kept(lab: Lab, anna: Person) -> None:
    page = await anna.order()
    async with _locked(lab, "webhook_events") as somebody_waits:
        await anna.pay(page)
        await until(somebody_waits, "the webhook to be kept")
        await lab.product.kill()
    await lab.product.restart()
    await _ends_well(lab)


async def test_killed_when_the_webhook_was_answered_and_the_bank_not_yet_asked(lab: Lab, anna: Person) -> None:
    page = await anna.order()
    await lab.fault("yookassa", mode="hang", route="/v3/payments/", method="GET")
    await anna.pay(page)
    await until(lambda: lab.hit("yookassa", "hang"), "the product to ask the bank")
    assert lab.product.told()["webhook_kept"] == 1
    await _kill_and_restart(lab)
    await _ends_well(lab)


@pytest.mark.parametrize("table", ["grants", "notices"])
async def test_killed_in_the_middle_of_settling(lab: Lab, anna: Person, table: str) -> None:
    """What was written before the kill must go with it: a payment that is settled and not granted is money lost."""
    page = await anna.order()
    async with _locked(lab, table) as somebody_waits:
        await anna.pay(page)
        await until(somebody_waits, f"settling to reach the table {table}")
        await lab.product.kill()
    await lab.product.restart()
    await _ends_well(lab)


async def test_killed_while_three_panels_make_the_client(lab: Lab, anna: Person) -> None:
    """Before the effect on the first, after it on the second, while it is read back on the third."""
    page = await anna.order()
    before, after, back = NODES
    await lab.fault(before, mode="hang", **ADD)
    await lab.fault(after, mode="hang_after", **ADD)
    await lab.fault(back, mode="delay", seconds=2, **ADD)
    await anna.pay(page)
    await until(lambda: lab.hit(back, "delay"), "the third panel to be asked for a client")
    await lab.fault(back, mode="hang", route="/clients/get/", method="GET")
    for node, mode in ((before, "hang"), (after, "hang_after"), (back, "hang")):
        await until(partial(lab.hit, node, mode), f"{node} to be in the middle of it")
    await _kill_and_restart(lab)
    assert [len(await lab.clients(node)) for node in NODES] == [0, 1, 1]
    await _ends_well(lab)


async def test_killed_when_the_key_was_sent_and_telegram_had_not_said_so(lab: Lab, anna: Person) -> None:
    page = await anna.order()
    await lab.fault("telegram", mode="hang_after", route="/sendPhoto")
    await anna.pay(page)
    await until(lambda: lab.hit("telegram", "hang_after"), "the key to be sent")
    await _kill_and_restart(lab)
    assert len(await anna.key_messages()) == 1
    await _ends_well(lab)
    assert len(await anna.key_messages()) == 2


async def _kill_and_restart(lab: Lab) -> None:
    await lab.product.kill()
    await lab.product.restart()


async def _ends_well(lab: Lab) -> None:
    await lab.settle(SETTLE_SECONDS)
    await lab.all_is_well()


@asynccontextmanager
async def _locked(lab: Lab, table: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Nobody writes to the table meanwhile; the block is given a question: does somebody wait for it?"""
    locked = f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted"
    async with (
        await psycopg.AsyncConnection.connect(lab.database_url) as holder,
        await psycopg.AsyncConnection.connect(lab.database_url, autocommit=True) as watcher,
    ):
        await holder.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())

        async def somebody_waits() -> bool:
            row = await (await watcher.execute(locked.encode())).fetchone()
            return row is not None and row[0] > 0

        yield somebody_waits
        await holder.rollback()
