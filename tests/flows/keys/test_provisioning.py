"""Keys follow what is owed, whatever the panels do; the customer hears the truth about it, once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.fleet import keyring
from ferryman.fleet.keyring import Sight
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.payments import settling
from ferryman.flows.shop import setup
from ferryman.kit.http import Http
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, vless_reality, vless_ws_tls
from tests.support.messages import Outbox
from tests.support.shop import Town


async def buy(shop: Town, telegram_id: int = 7, **more: Any) -> None:
    """A purchase up to the settled payment; the keys are still to be made."""
    customer = await shop.customer(telegram_id)
    await shop.webhook(shop.pay(await shop.order(customer, **more)))


async def keys(shop: Town) -> dict[str, str]:
    """Each node's key of the only subscription: "ready", or why not."""
    rows = await shop.rows(
        """SELECT n.name, CASE WHEN k.seen_revision IS NOT DISTINCT FROM k.wanted_revision THEN 'ready'
                               ELSE coalesce(k.error, 'owed') END
           FROM keys k JOIN nodes n ON n.id = k.node_id"""
    )
    return dict(map(tuple, rows))


async def back_to_work(shop: Town) -> None:
    """The next round: what was put off is due, and every node is looked at."""
    shop.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
    await placing.sweep(shop.tools)
    await provisioning.sweep(shop.tools)
    await shop.work()


async def set_mode(shop: Town, node: str, mode: str) -> None:
    async with shop.tools.db.unit() as session:
        await session.execute(text("UPDATE nodes SET mode = :mode WHERE name = :name"), {"mode": mode, "name": node})
        await placing.fleet_changed(session)


READY = {"de-1": "ready", "nl-1": "ready", "fi-1": "ready"}


@pytest.mark.parametrize("mode", ["drop_before", "drop_after", "html", "empty", "html_after"])
async def test_one_bad_answer_delays_one_node_and_leaves_one_client(shop: Town, mode: str) -> None:
    shop.fault("nl-1", mode=mode, route="clients/add")
    await buy(shop)
    await shop.work()
    await back_to_work(shop)
    assert await keys(shop) == READY
    assert [len(shop.clients(node)) for node in shop.panels] == [1, 1, 1]
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "status", "status": 401},
        {"mode": "status", "status": 404},
        {"mode": "status", "status": 200, "body": {"success": False, "msg": "no (database is locked)", "obj": None}},
        {"mode": "status", "status": 500},
        {"mode": "html", "status": 200},
    ],
    ids=["401", "404", "success false", "500", "HTML with 200"],
)
async def test_a_panel_that_refuses_for_a_while_gets_its_keys_when_it_stops(shop: Town, fault: dict[str, Any]) -> None:
    shop.fault("nl-1", times=-1, **fault)
    await buy(shop)
    await shop.work()
    standing = await keys(shop)
    assert (standing["de-1"], standing["fi-1"]) == ("ready", "ready")
    assert standing["nl-1"] not in ("ready", "owed")
    assert await shop.value("SELECT count(*) FROM money_without_key") == 1
    shop.panels["nl-1"].weather.clear()
    await back_to_work(shop)
    assert await keys(shop) == READY


async def test_a_dead_node_does_not_keep_the_customer_waiting(shop: Town, outbox: Outbox) -> None:
    shop.fault("nl-1", mode="drop_before", times=-1)
    await buy(shop)
    await shop.work()
    (ready,) = [sent for sent in outbox.sent if sent.png]
    assert "Узел DE" in ready.text
    assert "Узел FI" in ready.text
    assert "Узел NL" not in ready.text


async def test_nobody_is_told_of_a_key_that_is_nowhere(shop: Town, outbox: Outbox) -> None:
    for node in shop.panels:
        shop.fault(node, mode="drop_before", times=-1)
    await buy(shop)
    await shop.work()
    for _ in range(3):
        await back_to_work(shop)
    assert [sent for sent in outbox.sent if sent.png] == []
    for node in shop.panels:
        shop.panels[node].weather.clear()
    await back_to_work(shop)
    assert len([sent for sent in outbox.sent if sent.png]) == 1


async def test_the_customer_hears_of_the_key_once_per_purchase(shop: Town, outbox: Outbox) -> None:
    customer = await shop.customer()
    for _ in range(2):
        await shop.webhook(shop.pay(await shop.order(customer)))
        await shop.work()
        await back_to_work(shop)
    assert len([sent for sent in outbox.sent if sent.png]) == 2


async def test_a_node_whose_run_was_lost_is_found_by_the_sweep(shop: Town) -> None:
    await buy(shop)
    events = await shop.rows("SELECT id FROM webhook_events")
    await settling.settle_event(shop.tools, events[0][0])
    await shop.rows("DELETE FROM procrastinate_jobs RETURNING id")
    assert await keys(shop) == dict.fromkeys(READY, "owed")
    await back_to_work(shop)
    assert await keys(shop) == READY


async def test_a_down_node_is_called_once_a_round_not_once_a_key(shop: Town) -> None:
    for person in range(12):
        await buy(shop, person + 1)
    await shop.work()
    shop.fault("nl-1", mode="drop_before", times=-1)
    await shop.rows("UPDATE keys SET seen_revision = 0 RETURNING id")
    await back_to_work(shop)
    assert await shop.value("SELECT state FROM nodes WHERE name = 'nl-1'") == "healthy"
    shop.panels["nl-1"].calls.clear()
    for _ in range(3):
        await back_to_work(shop)
    # One key a round; its single read is repeated once on a fresh connection.
    assert len(shop.panels["nl-1"].calls) <= 2 * 3
    assert await shop.value("SELECT state FROM nodes WHERE name = 'nl-1'") == "down"
    shop.panels["nl-1"].weather.clear()
    await back_to_work(shop)
    assert len(shop.clients("nl-1")) == 12


async def test_two_runs_on_one_node_at_once_make_one_client(shop: Town) -> None:
    await buy(shop)
    await shop.tools.jobs.drain()
    await shop.rows("UPDATE keys SET seen_revision = NULL RETURNING id")
    node = await shop.value("SELECT id FROM nodes WHERE name = 'de-1'")
    await asyncio.gather(*(provisioning.reconcile_node(shop.tools, node) for _ in range(3)))
    assert len(shop.clients("de-1")) == 1
    # Whose write the panel took last nobody knows, so a moment later it is looked at once more.
    await back_to_work(shop)
    assert (await keys(shop))["de-1"] == "ready"


async def test_other_peoples_clients_beside_ours_are_left_alone(shop: Town) -> None:
    stranger = {"email": "made-by-hand", "id": "11111111-2222-4333-8444-555555555555", "enable": True, "totalGB": 5}
    inbound = next(iter(shop.panels["de-1"].panel.state.inbounds))
    http = Http()
    await http.request(
        "POST",
        f"{shop.servers[1].url}/base/panel/api/clients/add",
        headers={"Authorization": "Bearer panel-token"},
        json_body={"client": stranger, "inboundIds": [inbound]},
    )
    await http.close()
    before = shop.clients("de-1")["made-by-hand"]
    await buy(shop)
    await shop.work()
    await back_to_work(shop)
    assert shop.clients("de-1")["made-by-hand"] == before
    assert len(shop.clients("de-1")) == 2


async def test_a_node_added_later_gets_the_keys_of_everyone_who_is_paid_up(shop: Town) -> None:
    await set_mode(shop, "fi-1", "off")
    for person in range(3):
        await buy(shop, person + 1)
    await shop.work()
    assert len(shop.clients("fi-1")) == 0
    await set_mode(shop, "fi-1", "active")
    await back_to_work(shop)
    assert len(shop.clients("fi-1")) == 3


async def test_an_inbound_added_to_a_node_gets_everybodys_client(shop: Town) -> None:
    await buy(shop)
    await shop.work()
    first = next(iter(shop.panels["de-1"].panel.state.inbounds.values()))
    http_url = shop.spec["nodes"][0]["url"]
    http = Http()
    spec = vless_ws_tls(port=first["port"] + 1)
    await http.request(
        "POST", f"{http_url}panel/api/inbounds/add", headers={"Authorization": "Bearer panel-token"}, json_body=spec
    )
    await http.close()
    await setup.apply(shop.tools, setup.Shop.model_validate(shop.spec))
    await shop.work()
    state = shop.panels["de-1"].panel.state
    assert [len(state.entries[inbound]) for inbound in state.inbounds] == [1, 1]
    assert await keys(shop) == READY


async def test_a_node_moved_to_another_panel_gets_everybodys_client_there(shop: Town) -> None:
    for person in range(2):
        await buy(shop, person + 1)
    await shop.work()
    fresh = XuiEmulator(
        Store(":memory:"),
        version="3.6.0",
        base_path="/base/",
        api_token="panel-token",
        inbounds=[vless_reality(port=21443)],
    )
    server = await serve(fresh.app)
    shop.servers.append(server)
    shop.spec["nodes"][0]["url"] = f"{server.url}/base/"
    await setup.apply(shop.tools, setup.Shop.model_validate(shop.spec))
    await shop.work()
    assert fresh.panel.state.records.keys() == shop.panels["de-1"].panel.state.records.keys()
    assert await keys(shop) == READY
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


async def test_a_renewal_reaches_every_node_and_a_later_run_writes_nothing_more(shop: Town) -> None:
    customer = await shop.customer()
    for _ in range(2):
        await shop.webhook(shop.pay(await shop.order(customer)))
        await shop.work()
    assert await keys(shop) == READY
    for panel in shop.panels.values():
        panel.calls.clear()
    await shop.rows("UPDATE keys SET seen_revision = 0 RETURNING id")
    await back_to_work(shop)
    written = [call for panel in shop.panels.values() for call in panel.calls if call["method"] == "POST"]
    assert (await keys(shop), written) == (READY, [])


async def test_a_late_run_with_an_old_revision_leaves_the_key_in_doubt_not_in_order(shop: Town) -> None:
    await buy(shop)
    await shop.work()
    found = await shop.value("SELECT k.id FROM keys k JOIN nodes n ON n.id = k.node_id WHERE n.name = 'de-1'")
    as_the_late_run_read_it = await shop.value("SELECT seen_at FROM keys WHERE id = :id", id=found)
    await shop.rows("UPDATE keys SET wanted_revision = 5, seen_revision = 5, seen_at = now() RETURNING id")
    async with shop.tools.db.unit() as session:
        stale = Sight(found, 4, as_the_late_run_read_it)
        await keyring.saw(session, [stale], shop.tools.clock.now())
    assert (await keys(shop))["de-1"] == "owed"


async def test_a_key_that_keeps_failing_is_tried_ever_less_often(shop: Town) -> None:
    shop.fault("nl-1", mode="status", status=500, times=-1)
    await buy(shop)
    await shop.work()
    waits = []
    for _ in range(9):
        row = await shop.rows("SELECT k.try_at FROM keys k JOIN nodes n ON n.id = k.node_id WHERE n.name = 'nl-1'")
        waits.append((row[0].try_at - shop.tools.clock.now()).total_seconds())
        shop.tools.clock.advance(seconds=max(waits[-1], 0) + 1)  # type: ignore[attr-defined]
        await provisioning.sweep(shop.tools)
        await shop.work()
    assert waits[0] < 3
    assert 30 < waits[-1] <= keyring.LONGEST_BACKOFF
