"""The shop file: read strictly, checked before it is kept, applied as often as one likes."""

import copy
from pathlib import Path
from typing import Any

import pytest

from ferryman.billing import methods
from ferryman.catalog import shelf
from ferryman.fleet.node import Node
from ferryman.flows.fleet import nodes
from ferryman.flows.keys import placing, provisioning
from ferryman.flows.shop import setup
from ferryman.flows.shop.setup import Shop
from ferryman.kit.errors import Misconfigured
from ferryman_sandbox.weather import Fault
from tests.support.shop import Town

SECRET = "a-secret-that-nobody-may-read"
FILE = """
[[nodes]]
name = "de-1"
title = { ru = "Германия", en = "Germany" }
country = "DE"
url = "https://panel.example/base/"
token = "env:PANEL_TOKEN"
address = "de-1.example.net"

[[plans]]
code = "standard"
title = { ru = "Стандарт", en = "Standard" }
traffic_gb = 100
[[plans.terms]]
days = 30
prices = { RUB = "199.00", XTR = "150" }

[[providers]]
name = "yookassa"
config = { shop_id = "100500", secret_key = "env:SHOP_KEY", nested = { list = ["env:SHOP_KEY", "plain"] } }
"""
ENVIRONMENT = {"PANEL_TOKEN": SECRET, "SHOP_KEY": f"live_{SECRET}"}


def read(folder: Path, text: str | bytes = FILE, environment: dict[str, str] | None = None) -> Shop:
    path = folder / "shop.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return setup.read(path, ENVIRONMENT if environment is None else environment)


def test_a_good_file_is_read_with_its_secrets_from_the_environment(tmp_path: Path) -> None:
    shop = read(tmp_path)
    (node,), (plan,), (provider,) = shop.nodes, shop.plans, shop.providers
    assert node.token is not None
    assert node.token.get_secret_value() == SECRET
    assert (node.inbounds, node.panel, plan.devices, plan.icon) == ("all", "xui", 0, "🚀")
    assert [str(money) for money in plan.terms[0].money] == ["199.00 RUB", "150 XTR"]
    assert provider.config["nested"]["list"] == [f"live_{SECRET}", "plain"]
    assert SECRET not in repr(shop.nodes)


def test_an_empty_file_sets_nothing_up(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Shop()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('country = "DE"', 'country = "de"', "nodes.0.country"),
        ('country = "DE"', 'country = "DE"\nport = 443', "nodes.0.port: Extra inputs"),
        ("[[nodes]]", "[[node]]", "node: Extra inputs"),
        ('en = "Germany"', 'de = "Deutschland"', "nodes.0.title: needs a text for: en"),
        ('en = "Standard"', 'en = ""', "plans.0.title: needs a text for: en"),
        ('"de-1"', '"DE 1"', "nodes.0.name"),
        ("https://panel.example", "panel.example", "nodes.0.url"),
        ("https://panel.example", "ftp://panel.example", "nodes.0.url"),
        ('"de-1.example.net"', '""', "nodes.0.address"),
        ('token = "env:PANEL_TOKEN"', "", "give a token, or a username and a password"),
        ('token = "env:PANEL_TOKEN"', 'token = ""', "give a token, or a username and a password"),
        ('token = "env:PANEL_TOKEN"', 'username = "a"\npassword = ""', "give a token, or a username and a password"),
        ('"199.00"', '"0.00"', "more than zero (0.00 RUB for 30 days)"),
        ('"199.00"', '"-5"', "more than zero (-5.00 RUB for 30 days)"),
        ('"199.00"', '"199.005"', "199.005 is finer than the smallest unit of RUB"),
        ('"150"', '"0.5"', "0.5 is finer than the smallest unit of XTR"),
        ('"199.00"', '"a lot"', "not an amount"),
        ('"199.00"', "199.00", "plans.0.terms.0.prices.RUB: Input should be a valid string"),
        ("RUB =", "rub =", "not a currency code"),
        ("days = 30", "days = 0", "plans.0.terms.0.days"),
        ("days = 30", "days = 30.5", "plans.0.terms.0.days"),
        ("traffic_gb = 100", "traffic_gb = -1", "plans.0.traffic_gb"),
        ('{ RUB = "199.00", XTR = "150" }', "{}", "plans.0.terms.0.prices"),
        ("traffic_gb = 100", "places = []", 'plans.0.places: name at least one location, or say "all"'),
        ("traffic_gb = 100", 'places = ["nl", "nl"]', "plans.0.places: more than one location nl"),
        ("traffic_gb = 100", 'places = ["NL"]', "plans.0.places"),
        ("traffic_gb = 100", 'places = "some"', "plans.0.places"),
        ("traffic_gb = 100", 'places = { one = ["nl"], switch_hours = -1 }', "switch_hours"),
        ("traffic_gb = 100", "places = { one = [] }", "name at least one location"),
        ('country = "DE"', 'country = "DE"\nlocation = "D E"', "nodes.0.location"),
        ('country = "DE"', 'country = "DE"\npriority = 101', "nodes.0.priority"),
        ('country = "DE"', 'country = "DE"\ncapacity_gb = -1', "nodes.0.capacity_gb"),
        ('country = "DE"', 'country = "DE"\nca = "none.pem"', "nodes.0.ca: there is no certificate (PEM)"),
        ('country = "DE"', 'country = "DE"\ninbounds = [{ id = 1, tag = "x" }]', "nodes.0.inbounds"),
        ("[[providers]]", '[[plans.terms]]\ndays = 30\nprices = { RUB = "1" }\n[[providers]]', "term 30 days"),
        ("[[providers]]", '[[providers]]\nname = "yookassa"\nconfig = {}\n[[providers]]', "provider yookassa"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILE
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, FILE.replace(old, new))
    assert says in str(caught.value)
    assert "shop.toml" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_what_a_node_may_say_arrives_as_the_wish_that_every_face_uses(tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_text("-----BEGIN CERTIFICATE-----")
    more = """
location = "de"
priority = 70
capacity_clients = 500
capacity_gb = 2
totp = "env:SHOP_KEY"
ca = "authority.pem"
tags = ["fast"]
inbounds = [3, { id = 1, tags = ["video"] }]
"""
    (node,) = read(tmp_path, FILE.replace('country = "DE"', f'country = "DE"{more}')).nodes
    wish = node.wish(4)
    assert (wish.place.code, wish.priority, wish.capacity_clients, wish.capacity_bytes) == ("de", 70, 500, 2 * 2**30)
    assert (wish.inbounds, wish.tags, wish.common_tags) == ([3, 1], {1: ["video"]}, ["fast"])
    assert wish.access.totp is not None
    assert wish.access.ca == "-----BEGIN CERTIFICATE-----"
    assert (wish.position, wish.enabled, wish.new_inbound) == (4, None, None)


@pytest.mark.parametrize(
    ("says", "rule"),
    [
        ('"all"', {"rule": "all"}),
        ('["nl", "de"]', {"rule": "these", "codes": ["nl", "de"]}),
        ('{ one = ["nl"], switch_hours = 12 }', {"rule": "one", "codes": ["nl"], "switch_hours": 12}),
        ('{ one = "all" }', {"rule": "one", "codes": [], "switch_hours": 24}),
    ],
)
def test_where_a_plans_keys_are_is_said_in_three_ways(tmp_path: Path, says: str, rule: dict[str, Any]) -> None:
    (plan,) = read(tmp_path, FILE.replace("traffic_gb = 100", f"places = {says}")).plans
    assert plan.rule == rule


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, FILE.replace('"DE"', '"de"').replace('"199.00"', '"0"'))
    assert "nodes.0.country" in str(caught.value)
    assert "plans.0.terms.0" in str(caught.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="Set SHOP_KEY and try again"):
        read(tmp_path, environment={"PANEL_TOKEN": SECRET})


@pytest.mark.parametrize("text", ["nodes = [", "a = 1\na = 2", b"\xff\xfe", "\x00"])
def test_what_is_no_toml_is_named(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(Misconfigured, match=r"shop\.toml is not TOML .* Correct shop\.toml"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_not_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"There is no file .*nowhere\.toml"):
        setup.read(tmp_path / "nowhere.toml")
    with pytest.raises(Misconfigured, match="cannot be read"):
        setup.read(tmp_path)


# From here on: applied to a shop with three real panels and a bank.


async def contents(shop: Town) -> list[Any]:
    """All that a second application of the same file must leave as it was."""
    tables = {
        "plans": "code, icon, title, description, traffic_bytes, devices, position, active",
        "terms": "id, plan_id, days, active",
        "prices": "term_id, currency, minor",
        "locations": "id, code, title, city, country, position",
        "nodes": "id, name, location_id, panel, address, mode, state, position, sealed_access",
        "inbounds": "id, node_id, panel_id, protocol, port, enabled, link",
        "payment_methods": "name, enabled, position",
        "keys": "id, subscription_id, node_id, wanted_revision, seen_revision",
    }
    return [await shop.rows(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3") for table, columns in tables.items()]


async def apply(shop: Town, **changes: Any) -> list[str]:
    spec = {**copy.deepcopy(shop.spec), **changes}
    return [f"{done.what}: {done.found}" for done in await setup.apply(shop.tools, Shop.model_validate(spec))]


def changed(shop: Town, part: str, number: int, **facts: Any) -> dict[str, Any]:
    parts = copy.deepcopy(shop.spec[part])
    parts[number] = {key: value for key, value in {**parts[number], **facts}.items() if value is not None}
    return {part: parts}


async def sold(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()


async def test_applying_the_same_file_again_changes_nothing_and_says_what_it_found(shop: Town) -> None:
    await sold(shop)
    before = await contents(shop)
    said = await apply(shop)
    await shop.work()
    assert await contents(shop) == before
    assert len(said) == 6
    assert [line for line in said if line.startswith("node de-1: panel 3.") and "core runs, inbounds 1" in line]


async def test_what_the_file_does_not_name_stays(shop: Town) -> None:
    before = await contents(shop)
    await apply(shop, nodes=[], plans=[], providers=[])
    assert await contents(shop) == before


async def test_a_new_price_is_for_new_orders_only(shop: Town) -> None:
    checkout = await shop.order(await shop.customer())
    terms = [{"days": 30, "prices": {"RUB": "299.00", "XTR": "200"}}]
    await apply(shop, **changed(shop, "plans", 0, terms=terms))
    assert await shop.value("SELECT minor FROM orders WHERE ref = :ref", ref=checkout.order_ref) == 19900
    assert str((await shop.order(await shop.customer(8))).amount) == "299.00 RUB"
    async with shop.tools.db.unit() as session:
        (standard,) = [plan for plan in await shelf.on_sale(session) if plan.code == "standard"]
        assert [term.days for term in standard.terms if term.active] == [30]
    await apply(shop)
    assert str((await shop.order(await shop.customer(9), days=90)).amount) == "549.00 RUB"
    assert await shop.value("SELECT count(*) FROM prices WHERE currency = 'XTR'") == 0


async def test_a_provider_that_is_switched_off_is_kept_without_being_asked(shop: Town) -> None:
    shop.bank.weather.add(Fault.from_json({"mode": "drop_before", "times": -1}))
    await apply(shop, nodes=[], **changed(shop, "providers", 0, enabled=False))
    async with shop.tools.db.unit() as session:
        assert await methods.enabled(session) == []


async def test_a_bad_part_is_not_kept_the_good_ones_are_and_the_report_says_which(shop: Town) -> None:
    await shop.servers[1].stop()
    before = await shop.rows("SELECT * FROM nodes WHERE name = 'de-1'")
    new_plan = {**shop.spec["plans"][0], "code": "gold"}
    with pytest.raises(Misconfigured) as caught:
        await apply(shop, plans=[new_plan])
    said = str(caught.value)
    assert "node de-1: 127.0.0.1" in said
    assert "Kept: plan gold, provider yookassa, node nl-1, node fi-1." in said
    assert "panel-token" not in said
    assert await shop.rows("SELECT * FROM nodes WHERE name = 'de-1'") == before


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"token": SECRET}, "node de-1"),
        ({"token": None, "username": "admin", "password": SECRET}, "node de-1"),
        ({"inbounds": [1, 99]}, "the panel has no inbound 99. It has: 1 ("),
        ({"panel": "no-such"}, "No panel type 'no-such' is installed. Installed are: xui"),
        ({"url": f"http://127.0.0.1:9/{SECRET}/"}, "node de-1"),
        ({"url": f"http://127.0.0.1:99999/{SECRET}/"}, "Port out of range"),
    ],
)
async def test_a_node_that_cannot_be_reached_as_described_is_not_kept(
    shop: Town, facts: dict[str, Any], says: str
) -> None:
    before = await contents(shop)
    with pytest.raises(Misconfigured) as caught:
        await apply(shop, plans=[], providers=[], **changed(shop, "nodes", 0, **facts))
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert await contents(shop) == before


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"name": "paypal"}, "No provider 'paypal' is installed. Installed: "),
        ({"config": {"shop_id": "100500"}}, "secret_key: Field required"),
        ({"config": {"shop_id": "100500", "secret_key": f"live_{SECRET}"}}, "provider yookassa"),
    ],
)
async def test_a_provider_that_does_not_work_is_not_kept(shop: Town, facts: dict[str, Any], says: str) -> None:
    if "shop_id" in facts.get("config", {}) and "secret_key" in facts["config"]:
        facts["config"]["api_base"] = shop.spec["providers"][0]["config"]["api_base"]
    sealed = await shop.rows("SELECT * FROM payment_methods")
    with pytest.raises(Misconfigured) as caught:
        await apply(shop, plans=[], nodes=[], **changed(shop, "providers", 0, **facts))
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert await shop.rows("SELECT * FROM payment_methods") == sealed


async def test_panel_credentials_are_not_readable_in_the_database(shop: Town) -> None:
    async with shop.tools.db.unit() as session:
        node = await session.get_one(Node, 1)
    assert b"panel-token" not in node.sealed_access
    assert shop.tools.vault.open(node.sealed_access)["token"] == "panel-token"


async def test_a_new_node_gets_the_keys_of_everybody_who_has_paid(shop: Town) -> None:
    await shop.rows("DELETE FROM inbounds WHERE node_id = 3 RETURNING id")
    await shop.rows("DELETE FROM nodes WHERE id = 3 RETURNING id")
    await sold(shop)
    assert shop.clients("fi-1") == {}
    await apply(shop)
    await shop.later(seconds=11)
    await _keys_come_round(shop)
    assert len(shop.clients("fi-1")) == 1


async def _keys_come_round(shop: Town) -> None:
    await placing.sweep(shop.tools)
    await provisioning.sweep(shop.tools)
    await shop.work()


async def test_an_inbound_that_is_no_longer_chosen_is_kept_switched_off_and_can_come_back(shop: Town) -> None:
    await shop.rows("UPDATE inbounds SET panel_id = 55 WHERE node_id = 1 RETURNING id")
    await apply(shop, plans=[], providers=[])
    assert await shop.rows("SELECT panel_id, enabled FROM inbounds WHERE node_id = 1 ORDER BY 1") == [
        (1, True),
        (55, False),
    ]


async def test_a_plan_may_name_locations_of_the_shop_and_of_the_same_file_and_no_others(shop: Town) -> None:
    await apply(shop, nodes=[], providers=[], **changed(shop, "plans", 0, places=["nl-1"]))
    assert await shop.value("SELECT places FROM plans WHERE code = 'standard'") == {"rule": "these", "codes": ["nl-1"]}
    node = {**shop.spec["nodes"][2], "location": "suomi"}
    await apply(shop, nodes=[node], providers=[], **changed(shop, "plans", 0, places={"one": ["suomi", "de-1"]}))
    with pytest.raises(Misconfigured, match=r"plan standard: its places name us, and there is no such location"):
        await apply(shop, nodes=[], providers=[], **changed(shop, "plans", 0, places=["us", "de-1"]))


async def test_what_the_operator_did_by_hand_stays_unless_the_file_names_it(shop: Town) -> None:
    await nodes.edit(shop.tools, "de-1", priority=90)
    await nodes.disable(shop.tools, "de-1")
    await shop.rows("UPDATE nodes SET mode = 'draining' WHERE name = 'nl-1' RETURNING id")
    await apply(shop)
    found = await shop.rows("SELECT mode, priority FROM nodes ORDER BY id")
    assert [tuple(row) for row in found] == [("off", 90), ("draining", 50), ("active", 50)]
    await apply(shop, **changed(shop, "nodes", 0, enabled=True, priority=20))
    assert await shop.value("SELECT mode FROM nodes WHERE name = 'de-1'") == "active"
    assert await shop.value("SELECT priority FROM nodes WHERE name = 'de-1'") == 20


async def test_a_panel_that_answers_and_does_not_serve_is_mentioned_and_its_node_kept(shop: Town) -> None:
    shop.panels["de-1"].panel.switches.change({"xray_down": True})
    shop.panels["de-1"].panel.core.running = False
    said = await apply(shop, **changed(shop, "nodes", 0, priority=33))
    (line,) = [line for line in said if line.startswith("node de-1")]
    assert "⚠️ The panel answers, its core does not run. Start Xray" in line
    assert await shop.value("SELECT priority FROM nodes WHERE name = 'de-1'") == 33


async def test_the_same_file_again_moves_nobody(shop: Town) -> None:
    await sold(shop)
    before = await shop.value("SELECT epoch FROM fleet_epoch")
    await apply(shop)
    assert await shop.value("SELECT epoch FROM fleet_epoch") == before
    assert await shop.value("SELECT count(*) FROM keys WHERE seen_revision = 0") == 0
