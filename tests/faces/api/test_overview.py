"""The operator's glance over HTTP: only for the operator, only the truth, and no secret but the links."""

import json
from typing import Any

import pytest

from ferryman import wiring
from ferryman.flows.keys import provisioning
from ferryman.kit.settings import Settings
from tests.faces.web.conftest import Reply, Site, served
from tests.support.outage import database_away
from tests.support.shop import Town

TOKEN = "operator-token-of-the-tests"
PATH = "/api/overview"


async def look(site: Site) -> dict[str, Any]:
    answer = await site.get(PATH, authorization=f"Bearer {TOKEN}")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    seen: dict[str, Any] = json.loads(answer.body)
    return seen


async def buy(shop: Town, telegram_id: int = 7) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer(telegram_id))))
    await shop.work()


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe"],
)
async def test_nobody_else_gets_in(site: Site, given: str) -> None:
    answer = await site.get(PATH, authorization=given)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN.encode() not in answer.body


async def test_the_word_bearer_may_be_written_in_any_case(site: Site) -> None:
    assert (await site.get(PATH, authorization=f"bearer {TOKEN}")).status == 200


async def test_without_a_token_there_is_no_such_route(settings: Settings, database_url: str) -> None:
    closed = settings.model_copy(update={"operator_token": None})
    async with wiring.built(closed, database_url, up_to_date=False) as tools, served(tools) as site:
        answers: list[Reply] = [await site.get(PATH, authorization=f"Bearer {TOKEN}"), await site.get("/api/nothing")]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].shape == answers[1].shape


async def test_an_empty_shop_is_all_zeros(site: Site) -> None:
    seen = await look(site)
    counted = seen["numbers"]
    assert {"paid", "granted", "lost", "double", "money_without_key", "in_review", "ledger_balance"} <= set(counted)
    assert counted.pop("oldest_stuck_seconds") is None
    assert set(counted.values()) == {0}
    assert seen["ledger"] == {"balance": {}, "accounts": []}


async def test_after_a_purchase_everything_is_where_it_belongs(shop: Town, site: Site) -> None:
    await buy(shop)
    seen = await look(site)
    told = seen["numbers"]
    assert (told["paid"], told["granted"], told["money_without_key"], told["ledger_balance"]) == (1, 1, 0, 0)
    assert {key["state"] for key in seen["keys"]} == {"ready"}
    assert len(seen["keys"]) == 2
    (order,), (payment,), (subscription,) = seen["orders"], seen["payments"], seen["subscriptions"]
    assert (order["amount"], order["currency"], order["state"], order["plan"]) == ("199.00", "RUB", "paid", "standard")
    assert (payment["order"], payment["state"], payment["amount"]) == (order["ref"], "succeeded", "199.00")
    assert [(node["name"], node["flag"], node["keys"]) for node in seen["nodes"]] == [
        ("de-1", "🇩🇪", 1),
        ("nl-1", "🇳🇱", 1),
    ]
    assert seen["ledger"]["balance"] == {"RUB": 0}
    assert {row["account"]: row["minor"] for row in seen["ledger"]["accounts"]} == {
        "provider:yookassa": 19104,
        "fees:yookassa": 796,
        "sales": -19900,
    }
    assert (await site.get(subscription["link"].removeprefix("http://127.0.0.1:8080"))).status == 200


async def test_money_without_key_is_counted_while_a_node_is_down_and_no_longer(shop: Town, site: Site) -> None:
    shop.fault("nl-1", mode="drop_before", times=-1)
    await buy(shop)
    seen = await look(site)
    assert (seen["numbers"]["money_without_key"], seen["numbers"]["lost"]) == (1, 0)
    assert seen["numbers"]["oldest_stuck_seconds"] is not None
    assert sorted((key["node"], key["state"]) for key in seen["keys"]) == [("de-1", "ready"), ("nl-1", "failing")]
    shop.panels["nl-1"].weather.clear()
    await shop.tools.jobs.drain()
    await shop.later(minutes=3)
    await shop.rows("UPDATE keys SET try_at = now() - interval '1 day' RETURNING id")
    await provision(shop)
    assert (await look(site))["numbers"]["money_without_key"] == 0


async def provision(shop: Town) -> None:
    """The sweep of keys comes round."""
    await provisioning.sweep(shop.tools)
    await shop.work()


async def test_what_a_person_must_look_at_is_counted(shop: Town, site: Site) -> None:
    checkout = await shop.order(await shop.customer())
    paid = shop.pay(checkout)
    shop.rewrite(paid, amount={"value": "1.00", "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    told = (await look(site))["numbers"]
    assert (told["in_review"], told["paid"], told["granted"], told["ledger_balance"]) == (1, 0, 0, 0)


async def test_no_secret_is_in_it_but_the_links(shop: Town, site: Site) -> None:
    await buy(shop)
    seen = await look(site)
    for subscription in seen["subscriptions"]:
        subscription.pop("link")
    said = json.dumps(seen)
    ((token, uuid, password, sub_id),) = await shop.rows("SELECT token, uuid, password, sub_id FROM subscriptions")
    secrets = [
        token,
        uuid,
        password,
        sub_id,
        TOKEN,
        site.tools.hook_secret,
        site.tools.hook_key("yookassa"),
        "live_key_of_the_tests",
        "panel-token",
    ]
    secrets += [key.get_secret_value() for key in shop.tools.settings.secret_keys]
    assert [secret for secret in secrets if secret in said] == []


async def test_only_the_latest_are_listed(shop: Town, site: Site) -> None:
    anna = await shop.customer()
    first = await shop.order(anna)
    await shop.rows(
        """INSERT INTO orders (ref, customer_id, term_id, tap, snapshot, minor, currency, state, created_at)
           SELECT 'x' || n, customer_id, term_id, 'x' || n, snapshot, minor, currency, 'open', created_at
           FROM orders, generate_series(1, 60) AS n RETURNING id"""
    )
    listed = [order["ref"] for order in (await look(site))["orders"]]
    assert len(listed) == 50
    assert listed[0] == "x60"
    assert first.order_ref not in listed


async def test_while_the_database_is_away_the_caller_is_asked_to_come_back(
    site: Site, postgres_url: str, database_url: str
) -> None:
    with database_away(postgres_url, database_url):
        answer = await site.get(PATH, authorization=f"Bearer {TOKEN}")
        assert (await site.get(PATH)).status == 401
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert json.loads(answer.body) == {"error": "The database does not answer."}
