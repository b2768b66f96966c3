"""Attacks on the key path: races between runs, locks held too long, panels that talk nonsense, secrets in the logs."""

import asyncio
import io
import re
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.faces import worker
from ferryman.flows.keys import auditing, owed, placing, provisioning, recording
from ferryman.flows.keys.owed import Work
from ferryman.flows.payments import settling
from ferryman.flows.shop import meeting, setup, telling
from ferryman.kit import log
from ferryman.kit.errors import Unreachable
from ferryman.messaging.sender import Blocked
from ferryman.people.customer import Customer
from ferryman_sandbox.weather import Fault
from ferryman_sandbox.xui import traffic
from tests.support.chat import until
from tests.support.messages import Outbox
from tests.support.shop import Town

GB = 1024**3
CROWD = 100


async def bought(shop: Town, telegram_id: int = 7) -> Customer:
    anna = await shop.customer(telegram_id)
    await buy_again(shop, anna)
    return anna


async def buy_again(shop: Town, anna: Customer) -> None:
    await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()


async def settled(shop: Town, anna: Customer) -> str:
    """One more month is paid for and settled; no node has been touched yet."""
    order = await shop.order(anna)
    shop.pay(order)
    query = "SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.ref = :ref"
    return await settling.settle_payment(shop.tools, await shop.value(query, ref=order.order_ref))


async def node_id(shop: Town, name: str = "de-1") -> int:
    return int(await shop.value("SELECT id FROM nodes WHERE name = :name", name=name))


async def swept(shop: Town, rounds: int = 1) -> None:
    for _ in range(rounds):
        shop.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
        await placing.sweep(shop.tools)
        await provisioning.sweep(shop.tools)
        await shop.work()


async def end_is_right(shop: Town, node: str = "de-1") -> bool:
    ends_at = await shop.value("SELECT ends_at FROM subscriptions")
    (client,) = shop.clients(node).values()
    return bool(client["expiryTime"] >= ends_at.timestamp() * 1000 - 1)


async def test_the_second_month_brings_the_rest_of_the_first_and_its_own(shop: Town) -> None:
    anna = await bought(shop)
    panel = shop.panels["de-1"].panel
    (email,) = panel.state.records
    assert traffic.use(panel, email, 0, 60 * GB)
    traffic.tick(panel)
    await buy_again(shop, anna)
    (client,) = shop.clients("de-1").values()
    assert client["totalGB"] == 200 * GB
    row = panel.state.rows[email]
    assert row["total"] - row["up"] - row["down"] == 140 * GB
    assert await shop.rows("SELECT traffic_bytes FROM subscriptions") == [(200 * GB,)]


async def test_a_month_bought_after_the_quota_was_used_up_works_at_once(shop: Town, outbox: Outbox) -> None:
    anna = await bought(shop)
    for emulator in shop.panels.values():
        (email,) = emulator.panel.state.records
        traffic.use(emulator.panel, email, 0, 100 * GB)
        traffic.tick(emulator.panel)
        assert not emulator.panel.state.records[email]["enable"]
    for number in range(1, len(shop.panels) + 1):
        await auditing.audit_node(shop.tools, number)
    assert await shop.value("SELECT used_down FROM subscriptions") == 300 * GB
    await buy_again(shop, anna)
    assert await shop.value("SELECT traffic_bytes FROM subscriptions") == 400 * GB
    for name, emulator in shop.panels.items():
        traffic.tick(emulator.panel)
        (client,) = shop.clients(name).values()
        assert client["enable"]
        assert emulator.panel.core.is_loaded(next(iter(emulator.panel.state.records)), emulator.panel.state)
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0
    assert len([sent for sent in outbox.sent if sent.png]) == 2


async def test_a_run_that_was_overtaken_by_a_newer_one_does_not_leave_the_older_end(shop: Town) -> None:
    """Its worker counted as dead, and was only slow: its write reaches the panel after the newer run's."""
    anna, node = await bought(shop), await node_id(shop)
    assert await settled(shop, anna) == "paid"
    shop.fault("de-1", mode="delay", seconds=3.0, route="/clients/update", method="POST")
    slow = asyncio.create_task(provisioning.reconcile_node(shop.tools, node))
    await until(lambda: shop.panels["de-1"].weather.hits.get("delay") == 1, "the slow run to write")
    assert await settled(shop, anna) == "paid"
    await provisioning.reconcile_node(shop.tools, node)
    assert not slow.done()
    assert await end_is_right(shop)
    await slow
    await swept(shop, 2)
    assert await end_is_right(shop)
    assert await shop.value("SELECT count(*) FROM keys WHERE seen_revision IS DISTINCT FROM wanted_revision") == 0


async def test_of_two_runs_the_one_recorded_last_need_not_be_the_one_the_panel_took_last(shop: Town) -> None:
    # No fault can order two records against two writes, so the steps of a run are called one by one.
    anna, node = await bought(shop), await node_id(shop)
    halves = []
    for _ in range(2):
        await settled(shop, anna)
        halves.append(await _as_a_run_reads_it(shop, node))
    old, new = halves
    asked = shop.tools.clock.now()
    tried_new = await provisioning._try_all(shop.tools, new.node, new.debts)
    tried_old = await provisioning._try_all(shop.tools, old.node, old.debts)
    assert not await end_is_right(shop)
    await recording.record(shop.tools, old.node, tried_old, asked)
    await recording.record(shop.tools, new.node, tried_new, asked)
    await swept(shop, 2)
    assert await end_is_right(shop)


async def _as_a_run_reads_it(shop: Town, node: int) -> Work:
    found = await owed.work(shop.tools, node, 4)
    assert found is not None
    return found


async def crowd(shop: Town) -> None:
    """Many subscriptions that no node has heard of."""
    await shop.rows(
        """INSERT INTO customers (telegram_id, first_name, language, banned, reachable)
           SELECT 1000 + n, 'x', 'ru', false, true FROM generate_series(1, :n) AS n RETURNING id""",
        n=CROWD,
    )
    await shop.rows(
        """INSERT INTO subscriptions (ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot,
                                      traffic_bytes, devices, starts_at, ends_at, revision)
           SELECT 'r' || id, id, 'standard', 't' || id, 'u' || id, 'p' || id, 's' || id, '{}', 0, 0, now(),
                  now() + interval '30 days', 1 FROM customers WHERE telegram_id > 1000 RETURNING id"""
    )


async def set_mode(shop: Town, nodes: str, mode: str) -> None:
    """`nodes` is a condition in SQL."""
    async with shop.tools.db.unit() as session:
        await session.execute(text(f"UPDATE nodes SET mode = :mode WHERE {nodes}"), {"mode": mode})
        await placing.fleet_changed(session)


async def test_a_node_that_is_added_for_a_crowd_does_not_hold_up_a_settlement(shop: Town) -> None:
    await set_mode(shop, "name <> 'de-1'", "off")
    anna, new = await bought(shop), await node_id(shop, "fi-1")
    await crowd(shop)
    await set_mode(shop, "name = 'fi-1'", "active")
    count = "SELECT count(*) FROM keys WHERE node_id = :node"
    async with shop.tools.db.unit() as somebody:
        # One of the crowd is held, and for as long as that lasts the sweep comes past everybody else.
        await somebody.execute(
            text("SELECT 1 FROM subscriptions WHERE id = (SELECT max(id) FROM subscriptions) FOR UPDATE")
        )
        sweep = asyncio.create_task(placing.sweep(shop.tools))
        async with asyncio.timeout(10):
            assert await settled(shop, anna) == "paid"
            await sweep
        assert await shop.value(count, node=new) == CROWD
    await placing.sweep(shop.tools)
    assert await shop.value(count, node=new) == CROWD + 1


async def test_settling_reconciling_owing_and_telling_at_once_never_deadlock(shop: Town) -> None:
    people = [await shop.customer(number) for number in range(10, 16)]
    for anna in people:
        await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()
    # The operator's order of nodes is not the database's.
    await shop.rows("UPDATE nodes SET position = -id RETURNING id")
    nodes = [node for (node,) in await shop.rows("SELECT id FROM nodes ORDER BY id")]
    outcomes: list[Any] = []
    for _ in range(3):
        for anna in people:
            shop.pay(await shop.order(anna))
        await shop.rows("DELETE FROM keys WHERE node_id = :node RETURNING id", node=nodes[0])
        await shop.rows("UPDATE subscriptions SET placed_epoch = 0 RETURNING id")
        still_open = [payment for (payment,) in await shop.rows("SELECT id FROM payments WHERE ask_at IS NOT NULL")]
        outcomes += await asyncio.gather(
            *(settling.settle_payment(shop.tools, payment) for payment in still_open),
            *(provisioning.reconcile_node(shop.tools, node) for node in nodes * 2),
            *(provisioning.sweep(shop.tools) for _ in range(3)),
            *(placing.sweep(shop.tools) for _ in range(3)),
            telling.sweep(shop.tools),
            return_exceptions=True,
        )
    assert [error for error in outcomes if isinstance(error, BaseException)] == []
    await swept(shop, 2)
    assert await shop.value("SELECT count(*) FROM grants") == 4 * len(people)
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


async def test_a_bank_that_hangs_does_not_keep_keys_from_being_made(shop: Town) -> None:
    slots = 2
    shop.tools.settings = shop.tools.settings.model_copy(update={"worker_concurrency": slots})
    for number in range(2 * slots):
        await shop.order(await shop.customer(100 + number))
    assert await settled(shop, await shop.customer()) == "paid"
    shop.tools.clock.advance(seconds=11)  # type: ignore[attr-defined]
    await shop.rows("DELETE FROM procrastinate_jobs WHERE task_name = 'reconcile_node' RETURNING id")
    shop.bank.weather.add(Fault.from_json({"mode": "hang", "seconds": 60, "times": -1}))
    shop.bank.calls.clear()
    await settling.sweep(shop.tools)
    stopping = asyncio.Event()
    working = asyncio.create_task(worker.run(shop.tools, stopping))
    await until(lambda: shop.bank.weather.hits.get("hang") == slots, "the bank to hold every slot of its lane")
    async with shop.tools.db.unit() as session:
        for name in shop.panels:
            await provisioning.wake(shop.tools, session, await node_id(shop, name))
    await until(lambda: all(shop.clients(name) for name in shop.panels), "the keys")
    assert not shop.bank.calls, "the bank has let go of nobody"
    await shop.servers[0].stop()
    stopping.set()
    await working


@pytest.mark.parametrize("way", ["by the shop file", "in trouble"])
async def test_a_node_that_is_off_costs_no_endless_jobs(shop: Town, way: str) -> None:
    if way == "in trouble":
        shop.fault("de-1", mode="html", times=-1)
        await bought(shop)
        await set_mode(shop, "name = 'de-1'", "off")
    else:
        await bought(shop)
        shop.spec["nodes"][0]["enabled"] = False
        for _ in range(2):
            await setup.apply(shop.tools, setup.Shop.model_validate(shop.spec))
    await shop.rows("DELETE FROM procrastinate_jobs RETURNING id")
    shop.panels["de-1"].calls.clear()
    for _ in range(3):
        await provisioning.reconcile_node(shop.tools, await node_id(shop))
        await swept(shop)
    assert await shop.value("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'reconcile_node'") == 0
    assert not shop.panels["de-1"].calls


async def test_an_answer_that_nobody_can_read_is_one_failed_try_and_the_others_go_on(shop: Town) -> None:
    inbounds = shop.panels["de-1"].panel.state.inbounds
    (number,) = inbounds
    port, inbounds[number]["port"] = inbounds[number]["port"], "443,8443"
    await bought(shop)
    failed = "SELECT n.name, k.failures > 0, k.error IS NOT NULL FROM keys k JOIN nodes n ON n.id = k.node_id"
    assert sorted(map(tuple, await shop.rows(failed))) == [
        ("de-1", True, True),
        ("fi-1", False, False),
        ("nl-1", False, False),
    ]
    inbounds[number]["port"] = port
    await swept(shop)
    assert len(shop.clients("de-1")) == 1
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


async def test_what_the_database_says_of_a_refused_row_shows_no_customers_secret(shop: Town) -> None:
    anna = await bought(shop)
    (row,) = await shop.rows("SELECT token, uuid, password, sub_id FROM subscriptions")
    taken = "CREATE FUNCTION taken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.devices := NULL; RETURN NEW; END'"
    async with shop.tools.db.unit() as session:
        await session.execute(text(taken))
        await session.execute(
            text("CREATE TRIGGER taken BEFORE UPDATE ON subscriptions FOR EACH ROW EXECUTE FUNCTION taken()")
        )
    lines = io.StringIO()
    log.configure("json", "info", lines)
    try:
        await buy_again(shop, anna)
    finally:
        log.configure("console", "warning")
    told = lines.getvalue()
    assert "NotNullViolation" in told
    assert "Failing row contains" not in told
    assert not re.search(r"\[parameters: (?!\[?SQL parameters hidden)", told)
    assert [secret for secret in row if secret in told] == []


async def test_a_second_subscription_of_one_customer_to_one_plan_is_refused_by_the_database(shop: Town) -> None:
    await bought(shop)
    with pytest.raises(IntegrityError, match="uq_subscriptions_customer_id_plan_code"):
        await shop.rows(
            """INSERT INTO subscriptions (ref, customer_id, plan_code, token, uuid, password, sub_id, snapshot,
                                          traffic_bytes, devices, starts_at, ends_at, revision)
               SELECT 'r', customer_id, plan_code, 't', 'u', 'p', 's', '{}', 0, 0, starts_at, ends_at, 1
               FROM subscriptions RETURNING id"""
        )


async def test_what_was_held_back_while_the_bot_was_blocked_is_said_on_return(shop: Town, outbox: Outbox) -> None:
    outbox.trouble = [Blocked("The bot was blocked."), Blocked("The bot was blocked.")]
    anna = await bought(shop)
    assert outbox.sent == []
    assert {state for (state,) in await shop.rows("SELECT state FROM notices")} == {"blocked"}
    await shop.rows(
        "UPDATE notices SET created_at = now() - interval '8 days' WHERE kind = 'payment_succeeded' RETURNING id"
    )
    await meeting.came_back(shop.tools, anna.telegram_id)
    for _ in range(2):
        await telling.sweep(shop.tools)
        await shop.work()
    assert [sent.png is not None for sent in outbox.sent] == [True]
    assert await shop.rows("SELECT kind, state FROM notices ORDER BY id") == [
        ("payment_succeeded", "blocked"),
        ("key_ready", "sent"),
    ]


async def test_a_notice_outlives_more_failed_tries_than_a_number_can_double(shop: Town, outbox: Outbox) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    outbox.trouble = [Unreachable("Telegram cannot be reached.", 5.0)]
    await shop.work()
    notice = await shop.value("SELECT min(id) FROM notices WHERE state = 'queued'")
    await shop.rows("UPDATE notices SET attempts = 1100, due_at = NULL RETURNING id")
    outbox.trouble = [Unreachable("502")]
    await telling.deliver(shop.tools, notice)
    (left,) = await shop.rows("SELECT state, attempts, due_at FROM notices WHERE id = :id", id=notice)
    assert (left.state, left.attempts) == ("queued", 1101)
    assert 0 < (left.due_at - shop.tools.clock.now()).total_seconds() <= telling.LONGEST_BACKOFF
