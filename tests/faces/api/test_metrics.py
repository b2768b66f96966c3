"""The shop in numbers over HTTP: only for the operator, true, cheap, and without anything that names a customer."""

import asyncio
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from ferryman import wiring
from ferryman.flows.keys import provisioning
from ferryman.flows.shop import metrics
from ferryman.flows.shop.metrics import Metrics
from ferryman.flows.tools import Tools
from ferryman.kit.settings import Settings
from tests.faces.web.conftest import Site, served
from tests.support.outage import database_away
from tests.support.shop import Town

TOKEN = "operator-token-of-the-tests"
PATH = "/metrics"


@pytest.fixture(autouse=True)
def read_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "KEPT_SECONDS", 0.0)


async def numbers(site: Site) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    answer = await site.get(PATH, authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.body.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


async def buy(shop: Town, telegram_id: int = 7) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer(telegram_id))))
    await shop.work()


@pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN])
async def test_nobody_else_gets_in(site: Site, given: str) -> None:
    answer = await site.get(PATH, authorization=given)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert b"ferryman_" not in answer.body


async def test_without_a_token_there_is_no_such_route(settings: Settings, database_url: str) -> None:
    closed = settings.model_copy(update={"operator_token": None})
    async with wiring.built(closed, database_url, up_to_date=False) as tools, served(tools) as site:
        answers = [await site.get(PATH, authorization=f"Bearer {TOKEN}"), await site.get("/nothing")]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].shape == answers[1].shape


async def test_an_empty_shop_has_nothing_to_worry_about(site: Site) -> None:
    found = await numbers(site)
    assert found["ferryman_money_without_key",] == 0
    assert found["ferryman_money_without_key_oldest_seconds",] == 0
    assert found["ferryman_orders_paid",] == 0
    lanes = {key[1] for key in found if key[0] == "ferryman_jobs_waiting"}
    assert {"bank", "keys", "talk", "main", "watch"} <= lanes


async def test_a_purchase_is_in_them(shop: Town, site: Site) -> None:
    await buy(shop)
    found = await numbers(site)
    assert found["ferryman_orders_paid",] == 1
    assert (found["ferryman_node_clients", "de-1"], found["ferryman_keys_owed", "de-1"]) == (1, 0)
    assert found["ferryman_node_state", "de-1", "healthy"] == 1
    assert found["ferryman_node_state", "de-1", "down"] == 0
    assert found["ferryman_node_mode", "active", "nl-1"] == 1
    assert found["ferryman_ledger_balance_minor", "RUB"] == 0


async def test_money_without_key_is_counted_with_its_age_until_the_key_is_there(shop: Town, site: Site) -> None:
    shop.fault("nl-1", mode="drop_before", times=-1)
    await buy(shop)
    await shop.rows("UPDATE payments SET succeeded_at = now() - interval '5 minutes' RETURNING id")
    found = await numbers(site)
    assert (found["ferryman_money_without_key",], found["ferryman_keys_owed", "nl-1"]) == (1, 1)
    assert 299 <= found["ferryman_money_without_key_oldest_seconds",] <= 400
    shop.panels["nl-1"].weather.clear()
    shop.tools.clock.advance(minutes=3)  # type: ignore[attr-defined]
    await provisioning.sweep(shop.tools)
    await shop.work()
    found = await numbers(site)
    assert (found["ferryman_money_without_key",], found["ferryman_keys_owed", "nl-1"]) == (0, 0)


async def test_a_node_in_trouble_shows_in_them(shop: Town, site: Site) -> None:
    await shop.rows(
        """UPDATE nodes SET state = 'down', quarantined_at = now(), latency_ms = 250, clock_skew = -7
           WHERE name = 'nl-1' RETURNING id"""
    )
    found = await numbers(site)
    assert (found["ferryman_node_state", "nl-1", "down"], found["ferryman_node_state", "nl-1", "healthy"]) == (1, 0)
    assert (found["ferryman_node_quarantined", "nl-1"], found["ferryman_node_quarantined", "de-1"]) == (1, 0)
    assert found["ferryman_node_latency_seconds", "nl-1"] == 0.25
    assert found["ferryman_node_clock_skew_seconds", "nl-1"] == -7


async def test_a_retired_node_is_in_them_no_more(shop: Town, site: Site) -> None:
    await shop.rows("UPDATE nodes SET mode = 'retired' WHERE name = 'nl-1' RETURNING id")
    assert not any("nl-1" in key for key in await numbers(site))


async def test_jobs_that_wait_are_counted_by_lane_and_those_of_tomorrow_are_not(shop: Town, site: Site) -> None:
    async with shop.tools.db.unit() as session:
        for node_id in (1, 2):
            await shop.tools.jobs.defer(session, "probe_node", node_id=node_id)
        await shop.tools.jobs.defer(session, "deliver_notice", after=3600, notice_id=1)
    await shop.rows("UPDATE procrastinate_events SET at = now() - interval '90 seconds' RETURNING id")
    found = await numbers(site)
    assert (found["ferryman_jobs_waiting", "watch"], found["ferryman_jobs_waiting", "talk"]) == (2, 0)
    assert 89 <= found["ferryman_jobs_oldest_seconds", "watch"] <= 200
    assert found["ferryman_jobs_oldest_seconds", "talk"] == 0


async def test_messages_that_did_not_leave_are_counted(shop: Town, site: Site) -> None:
    await buy(shop)
    await shop.rows("UPDATE notices SET state = 'failed', sent_at = NULL RETURNING id")
    found = await numbers(site)
    assert found["ferryman_notices", "failed"] >= 2
    assert found["ferryman_notices", "queued"] == 0


async def test_nothing_in_them_names_a_customer_or_a_secret(shop: Town, site: Site) -> None:
    await buy(shop)
    said = (await site.get(PATH, authorization=f"Bearer {TOKEN}")).body.decode()
    ((token, uuid, ref),) = await shop.rows("SELECT token, uuid, ref FROM subscriptions")
    for secret in (token, uuid, ref, "Anna", TOKEN, "panel-token", "python_info", "process_"):
        assert secret not in said


async def test_the_number_of_queries_does_not_depend_on_the_size_of_the_shop(shop: Town) -> None:
    asked: list[str] = []

    def note(*details: Any) -> None:
        asked.append(str(details[2]))

    event.listen(shop.tools.db.engine.sync_engine, "before_cursor_execute", note)
    await Metrics(shop.tools).text()
    before = len(asked)
    for person in range(1, 6):
        await buy(shop, person)
    asked.clear()
    await Metrics(shop.tools).text()
    event.remove(shop.tools.db.engine.sync_engine, "before_cursor_execute", note)
    assert len(asked) == before <= 6


async def test_however_many_ask_within_a_few_seconds_the_database_is_asked_once(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "KEPT_SECONDS", 60.0)
    asked: list[str] = []

    def note(*details: Any) -> None:
        asked.append(str(details[2]))

    one = Metrics(tools)
    event.listen(tools.db.engine.sync_engine, "before_cursor_execute", note)
    said = await asyncio.gather(*(one.text() for _ in range(20)))
    event.remove(tools.db.engine.sync_engine, "before_cursor_execute", note)
    assert len(set(said)) == 1
    assert len(asked) <= 6


async def test_while_the_database_is_away_the_caller_is_asked_to_come_back(
    site: Site, postgres_url: str, database_url: str
) -> None:
    with database_away(postgres_url, database_url):
        answer = await site.get(PATH, authorization=f"Bearer {TOKEN}")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
