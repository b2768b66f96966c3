"""Nodes as data: nothing is kept unless the panel is as described, and whoever must follow a change is woken."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from ferryman.fleet.node import Node
from ferryman.fleet.panel import NewInbound, PanelAccess
from ferryman.fleet.wish import Place, Wish
from ferryman.flows.fleet import nodes
from ferryman.flows.fleet.inspecting import UntrustedCertificate
from ferryman.flows.keys import placing, provisioning
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Refused
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.ports import HeldPort
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, trojan_tls, vless_reality
from tests.support.certificates import made_up, serve_tls
from tests.support.chat import until
from tests.support.shop import Town

SECRET = "a-secret-that-nobody-may-read"
REALITY = NewInbound("Ferryman", 24443, "www.example.org:443", "www.example.org")

Started = Callable[..., Awaitable[PanelAccess]]


def panel(**more: Any) -> XuiEmulator:
    """A fresh panel; its token is SECRET, its user admin with the password SECRET."""
    facts = {"version": "3.6.0", "base_path": "/base/", "api_token": SECRET, "password": SECRET}
    return XuiEmulator(Store(":memory:"), **{**facts, "inbounds": [vless_reality(port=31443)], **more})


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    """Serve a panel; answers how it is reached."""
    async with AsyncExitStack() as stack:

        async def start(emulator: XuiEmulator, certificate: Any = None) -> PanelAccess:
            server = await (serve_tls(emulator.app, certificate) if certificate else serve(emulator.app))
            stack.push_async_callback(server.stop)
            return PanelAccess(f"{server.url}/base/", token=SecretStr(SECRET))

        yield start


def wish(access: PanelAccess, **more: Any) -> Wish:
    facts = {"name": "se-1", "panel": "xui", "address": "se-1.example.net", "place": Place("se", "SE")}
    return Wish(access=access, **{**facts, **more})


async def epoch(shop: Town) -> int:
    return int(await shop.value("SELECT epoch FROM fleet_epoch"))


async def row(shop: Town, name: str = "de-1") -> Any:
    return (await shop.rows("SELECT * FROM nodes WHERE name = :name", name=name))[0]


async def contents(shop: Town) -> list[Any]:
    tables = {"nodes": "name", "inbounds": "node_id, panel_id", "locations": "code"}
    return [await shop.rows(f"SELECT * FROM {table} ORDER BY {order}") for table, order in tables.items()]


async def sold(shop: Town, telegram_id: int = 7) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer(telegram_id))))
    await shop.work()


async def come_round(shop: Town) -> None:
    shop.tools.clock.advance(seconds=11)  # type: ignore[attr-defined]
    await placing.sweep(shop.tools)
    await provisioning.sweep(shop.tools)
    await shop.work()


# Adding.


async def test_a_node_is_added_with_all_that_was_said_and_seen(shop: Town, started: Started) -> None:
    before = await epoch(shop)
    access = await started(panel(inbounds=[vless_reality("fast", 31443), trojan_tls("old", 32443)]))
    kept = await nodes.add(
        shop.tools,
        wish(access, inbounds=[1], tags={1: ["fast"]}, priority=70, capacity_clients=200, capacity_bytes=5 * 2**40),
    )
    node = await row(shop, "se-1")
    assert (node.mode, node.state, node.priority, node.capacity_clients) == ("active", "healthy", 70, 200)
    assert (node.capacity_bytes, node.panel_version, node.position) == (5 * 2**40, "3.6.0", 3)
    assert node.latency_ms is not None and node.clock_skew == 0
    assert await shop.rows("SELECT panel_id, tags FROM inbounds WHERE node_id = :id", id=node.id) == [(1, ["fast"])]
    (place,) = await shop.rows("SELECT title, country FROM locations WHERE code = 'se'")
    assert place.title == {"ru": "Швеция", "en": "Sweden"}
    assert await epoch(shop) == before + 1
    assert str(kept).startswith("panel 3.6.0, core runs, inbounds 1")


async def test_a_node_that_is_added_gets_the_keys_of_everybody_who_has_paid(shop: Town, started: Started) -> None:
    await sold(shop)
    emulator = panel()
    await nodes.add(shop.tools, wish(await started(emulator)))
    await come_round(shop)
    assert len(emulator.panel.state.records) == 1


async def test_credentials_are_sealed_and_in_no_log_line(shop: Town, started: Started) -> None:
    lines = io.StringIO()
    log.configure("json", "debug", lines)
    try:
        access = replace(await started(panel()), token=None, username="admin", password=SecretStr(SECRET))
        await nodes.add(shop.tools, wish(access))
        with pytest.raises(Misconfigured):
            await nodes.edit(shop.tools, "se-1", access=replace(access, password=SecretStr("another-" + SECRET)))
    finally:
        log.configure("console", "warning")
    node = await row(shop, "se-1")
    assert SECRET.encode() not in bytes(node.sealed_access)
    assert shop.tools.vault.open(bytes(node.sealed_access))["password"] == SECRET
    assert "node_kept" in lines.getvalue()
    assert SECRET not in lines.getvalue()


async def test_a_node_of_that_name_is_not_added_again(shop: Town, started: Started) -> None:
    with pytest.raises(Misconfigured, match=r"There is a node de-1 already\. Change it with `ferryman node edit de-1`"):
        await nodes.add(shop.tools, wish(await started(panel()), name="de-1"))


async def test_two_nodes_stand_in_one_location(shop: Town, started: Started) -> None:
    await nodes.add(shop.tools, wish(await started(panel()), place=Place("de-1")))
    assert await shop.value("SELECT count(*) FROM nodes n JOIN locations l ON l.id = n.location_id "
                            "WHERE l.code = 'de-1'") == 2  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"name": "SE 1"}, "'SE 1' cannot name a node. Use a-z"),
        ({"address": "https://a.example"}, "no https://, no port"),
        ({"address": "a.example/x"}, "no path"),
        ({"priority": 101}, "Give 0 to 100"),
        ({"capacity_clients": -1}, "Give 0 for a node without limit"),
        ({"tags": {1: ["a b"]}}, "'a b' cannot be a tag"),
    ],
)
async def test_a_wish_that_cannot_be_says_why(facts: dict[str, Any], says: str) -> None:
    with pytest.raises(Misconfigured, match=says.replace("(", r"\(")):
        wish(PanelAccess("https://panel.example/"), **facts)


@pytest.mark.parametrize(
    ("country", "says"),
    [
        ("", "There is no location 'se' yet. Name its country"),
        ("XX", "'XX' is no country"),
        ("ZZ", "'ZZ' is no country"),
    ],
)
async def test_a_new_location_needs_a_country_that_exists(
    shop: Town, started: Started, country: str, says: str
) -> None:
    access = await started(panel())
    before = await contents(shop)
    with pytest.raises(Misconfigured, match=says):
        await nodes.add(shop.tools, wish(access, place=Place("se", country)))
    assert await contents(shop) == before


@pytest.mark.parametrize(("code", "country"), [("S E", "SE"), ("se", "se"), ("se", "SWE")])
def test_a_place_that_cannot_be_says_why(code: str, country: str) -> None:
    with pytest.raises(Misconfigured):
        Place(code, country)


# What is off is refused with a sentence that names the fix, and nothing is kept.


async def refused(shop: Town, **facts: Any) -> str:
    before = await contents(shop)
    with pytest.raises(Misconfigured) as caught:
        await nodes.add(shop.tools, wish(**facts))
    assert await contents(shop) == before
    said = str(caught.value)
    assert said.startswith("node se-1: ")
    assert SECRET not in said
    return said


async def test_a_wrong_base_path_is_named(shop: Town, started: Started) -> None:
    access = await started(panel())
    said = await refused(shop, access=replace(access, url=access.url.replace("/base/", "/other/")))
    assert "base path" in said


async def test_a_wrong_token_is_named(shop: Town, started: Started) -> None:
    said = await refused(shop, access=replace(await started(panel()), token=SecretStr("another-" + SECRET)))
    assert "token" in said


async def test_a_wrong_password_is_named(shop: Town, started: Started) -> None:
    access = replace(await started(panel()), token=None, username="admin", password=SecretStr("another-" + SECRET))
    assert "correct the user name and password" in await refused(shop, access=access)


async def test_a_missing_second_factor_is_named_and_with_it_the_node_is_kept(shop: Town, started: Started) -> None:
    emulator, factor = panel(), pyotp.random_base32()
    access = replace(await started(emulator), token=None, username="admin", password=SecretStr(SECRET))
    emulator.panel.switches.change({"two_factor_secret": factor})
    assert "second factor" in await refused(shop, access=access)
    assert "base32" in await refused(shop, access=replace(access, totp=SecretStr("0189")))
    await nodes.add(shop.tools, wish(replace(access, totp=SecretStr(factor))))
    assert (await row(shop, "se-1")).panel_version == "3.6.0"


async def test_a_self_signed_certificate_is_shown_so_that_it_can_be_pinned(
    shop: Town, started: Started, tmp_path: Path
) -> None:
    certificate = made_up(tmp_path)
    access = await started(panel(), certificate)
    with pytest.raises(UntrustedCertificate) as caught:
        await nodes.add(shop.tools, wish(access))
    assert caught.value.shown.sha256 == certificate.sha256
    assert str(caught.value).startswith("node se-1: 127.0.0.1 shows a certificate that is self-signed; its SHA-256 is ")
    assert "give it as the pin" in caught.value.fix
    await nodes.add(shop.tools, wish(replace(access, pin=certificate.sha256)))


async def test_another_certificate_than_the_pinned_one_is_shown_with_a_warning(
    shop: Town, started: Started, tmp_path: Path
) -> None:
    certificate = made_up(tmp_path)
    access = replace(await started(panel(), certificate), pin="0" * 64)
    said = await refused(shop, access=access)
    assert "another certificate than the pinned one" in said and certificate.sha256 in said
    assert "somebody stands between" in said


async def test_an_authority_of_ones_own_is_believed(shop: Town, started: Started, tmp_path: Path) -> None:
    certificate = made_up(tmp_path)
    access = await started(panel(), certificate)
    await nodes.add(shop.tools, wish(replace(access, ca=certificate.pem)))
    assert shop.tools.vault.open(bytes((await row(shop, "se-1")).sealed_access))["ca"] == certificate.pem


async def test_a_panel_that_speaks_tls_where_http_was_said_names_https(
    shop: Town, started: Started, tmp_path: Path
) -> None:
    access = await started(panel(), made_up(tmp_path))
    said = await refused(shop, access=replace(access, url=access.url.replace("https://", "http://")))
    assert "https" in said or "gave no answer" in said


async def test_a_panel_without_inbounds_or_with_useless_ones_names_what_to_do(shop: Town, started: Started) -> None:
    said = await refused(shop, access=await started(panel(inbounds=[])))
    assert "no inbound that customers could use" in said and "VLESS with REALITY" in said
    keyless = vless_reality(port=31443)
    keyless["streamSettings"]["realitySettings"]["settings"]["publicKey"] = ""
    said = await refused(shop, access=await started(panel(inbounds=[keyless])))
    assert "shows no public key" in said


async def test_an_inbound_without_a_link_is_left_out_unless_it_was_asked_for(shop: Town, started: Started) -> None:
    keyless = vless_reality("broken", port=31444)
    keyless["streamSettings"]["realitySettings"]["settings"]["publicKey"] = ""
    access = await started(panel(inbounds=[vless_reality(port=31443), keyless, {**trojan_tls(), "enable": False}]))
    assert "inbound 2 (broken, port 31444) is of no use" in await refused(shop, access=access, inbounds=[1, 2])
    assert "inbound 3 (Trojan, port 9443) is switched off" in await refused(shop, access=access, inbounds=[3])
    kept = await nodes.add(shop.tools, wish(access))
    assert "inbounds 1; left out, for no link leads there: 2 (broken, port 31444)" in str(kept)


async def test_a_core_that_stands_still_and_a_clock_that_is_off_are_named(shop: Town, started: Started) -> None:
    emulator = panel()
    access = await started(emulator)
    emulator.panel.switches.change({"xray_down": True})
    emulator.panel.core.running = False
    assert "Start Xray" in await refused(shop, access=access)
    emulator.panel.core.running = True
    emulator.panel.switches.change({"xray_down": False})
    emulator.clock.advance(600)
    said = await refused(shop, access=access)
    assert "clock is off by +" in said and "NTP" in said


async def test_a_panel_that_is_not_there_names_what_to_check(shop: Town) -> None:
    said = await refused(shop, access=PanelAccess("http://127.0.0.1:9/base/", token=SecretStr(SECRET)))
    assert "127.0.0.1" in said and "firewall" in said


async def test_an_unknown_panel_type_lists_the_installed_ones(shop: Town, started: Started) -> None:
    assert "Installed are: xui" in await refused(shop, access=await started(panel()), panel="marzban")


@pytest.fixture
async def serious(shop: Town) -> Town:
    """As it is where real money is taken."""
    shop.tools.settings = shop.tools.settings.model_copy(update={"env": "production"})
    return shop


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "10.1.2.3", "[fd00::1]"])
async def test_in_production_customers_must_be_able_to_connect(serious: Town, started: Started, address: str) -> None:
    said = await refused(serious, access=await started(panel()), address=address)
    assert f"Customers cannot connect to {address}" in said and "no public address" in said


async def test_in_production_passwords_do_not_travel_in_the_clear(serious: Town, started: Started) -> None:
    elsewhere = PanelAccess("http://panel.invalid:2053/base/", token=SecretStr(SECRET))
    said = await refused(serious, access=elsewhere, address="8.8.8.8")
    assert "plain http" in said and "`insecure`" in said
    said = await refused(serious, access=replace(elsewhere, insecure=True), address="8.8.8.8")
    assert "plain http" not in said
    await nodes.add(serious.tools, wish(await started(panel()), address="8.8.8.8"))


# Changing.


async def test_a_new_priority_is_kept_without_asking_the_panel_and_everybody_is_placed_anew(shop: Town) -> None:
    before = await epoch(shop)
    for emulator in shop.panels.values():
        emulator.calls.clear()
    await nodes.edit(shop.tools, "de-1", priority=10, capacity_clients=5, capacity_bytes=7)
    node = await row(shop)
    assert (node.priority, node.capacity_clients, node.capacity_bytes) == (10, 5, 7)
    assert await epoch(shop) == before + 1
    assert not shop.panels["de-1"].calls


async def test_a_change_that_changes_nothing_moves_nobody(shop: Town) -> None:
    before = await epoch(shop), await contents(shop)
    await nodes.edit(shop.tools, "de-1", priority=50)
    await nodes.set_inbounds(shop.tools, "de-1", [1])
    assert await epoch(shop) == before[0]
    assert await shop.value("SELECT count(*) FROM keys WHERE seen_revision = 0") == 0


async def test_a_node_is_moved_to_another_location_and_a_location_is_renamed(shop: Town) -> None:
    before = await epoch(shop)
    await nodes.edit(shop.tools, "de-1", place=Place("nl-1"))
    assert await epoch(shop) == before + 1
    await nodes.edit(shop.tools, "de-1", place=Place("nl-1", title={"en": "Holland"}, city={"en": "Delft"}))
    (place,) = await shop.rows("SELECT title, city FROM locations WHERE code = 'nl-1'")
    assert place.title == {"ru": "Узел NL", "en": "Holland"}
    assert place.city["en"] == "Delft"


async def test_new_credentials_are_tried_before_the_old_ones_are_dropped(shop: Town) -> None:
    before = await contents(shop)
    wrong = PanelAccess(shop.spec["nodes"][0]["url"], token=SecretStr(SECRET))
    with pytest.raises(Misconfigured, match=r"node de-1: 127\.0\.0\.1"):
        await nodes.edit(shop.tools, "de-1", access=wrong)
    assert await contents(shop) == before
    right = PanelAccess(shop.spec["nodes"][0]["url"], username="admin", password=SecretStr("admin"))
    await nodes.edit(shop.tools, "de-1", access=right)
    assert shop.tools.vault.open(bytes((await row(shop)).sealed_access))["username"] == "admin"


async def test_a_node_moved_to_another_panel_puts_its_keys_into_doubt(shop: Town, started: Started) -> None:
    await sold(shop)
    emulator = panel(inbounds=[vless_reality(port=21443)])
    before = await epoch(shop)
    await nodes.edit(shop.tools, "de-1", access=await started(emulator))
    assert await epoch(shop) == before + 1
    await shop.work()
    assert emulator.panel.state.records.keys() == shop.panels["de-1"].panel.state.records.keys()


async def test_a_panel_without_the_nodes_inbound_is_not_taken_for_its_own(shop: Town, started: Started) -> None:
    await nodes.open_inbound(shop.tools, "de-1", REALITY)
    with pytest.raises(Misconfigured, match=r"the panel has no inbound 2\. It has: 1"):
        await nodes.edit(shop.tools, "de-1", access=await started(panel()))


async def test_a_node_that_is_not_there_lists_those_there_are(shop: Town) -> None:
    with pytest.raises(NotFound, match="There is no node 'xx'; there are: de-1, nl-1, fi-1"):
        await nodes.edit(shop.tools, "xx", priority=1)


# Inbounds.


async def test_an_inbound_is_made_with_fresh_keys_and_gets_everybodys_client(shop: Town) -> None:
    await sold(shop)
    before = await epoch(shop)
    kept = await nodes.open_inbound(shop.tools, "de-1", REALITY)
    assert [one.panel_id for one in kept.picked] == [1, 2]
    rows = await shop.rows("SELECT port, security, enabled, link FROM inbounds WHERE node_id = 1 ORDER BY panel_id")
    assert [(one.port, one.security, one.enabled) for one in rows] == [
        (21443, "reality", True),
        (24443, "reality", True),
    ]
    keys = [one.link["reality"]["publicKey"] for one in rows]
    assert len(set(keys)) == 2
    assert all("privateKey" not in str(one.link) for one in rows)
    assert await epoch(shop) == before + 1
    await shop.work()
    state = shop.panels["de-1"].panel.state
    assert [len(state.entries[number]) for number in state.inbounds] == [1, 1]


async def test_making_the_same_inbound_again_finds_it(shop: Town) -> None:
    for _ in range(2):
        await nodes.open_inbound(shop.tools, "de-1", REALITY)
    assert len(shop.panels["de-1"].panel.state.inbounds) == 2
    assert await shop.value("SELECT count(*) FROM inbounds WHERE node_id = 1") == 2


async def test_a_port_that_is_taken_is_named(shop: Town) -> None:
    with pytest.raises(Misconfigured, match="21443"):
        await nodes.open_inbound(shop.tools, "de-1", replace(REALITY, port=21443))


async def test_a_node_begins_with_the_inbound_that_is_made_for_it(shop: Town, started: Started) -> None:
    kept = await nodes.add(shop.tools, wish(await started(panel(inbounds=[])), new_inbound=REALITY))
    assert [one.port for one in kept.picked] == [24443]


async def test_other_inbounds_are_chosen_and_the_left_ones_can_come_back(shop: Town) -> None:
    await nodes.open_inbound(shop.tools, "de-1", REALITY)
    query = "SELECT panel_id, enabled FROM inbounds WHERE node_id = 1 ORDER BY 1"
    await nodes.set_inbounds(shop.tools, "de-1", [2])
    assert await shop.rows(query) == [(1, False), (2, True)]
    await nodes.set_inbounds(shop.tools, "de-1", "all", {2: ["fast", "video"]})
    assert await shop.rows(query) == [(1, True), (2, True)]
    assert await shop.value("SELECT tags FROM inbounds WHERE panel_id = 2") == ["fast", "video"]
    with pytest.raises(Misconfigured, match="the panel has no inbound 9"):
        await nodes.set_inbounds(shop.tools, "de-1", [9])


async def test_a_refresh_takes_in_a_new_port_and_leaves_out_what_is_gone(shop: Town) -> None:
    await nodes.open_inbound(shop.tools, "de-1", REALITY)
    inbounds = shop.panels["de-1"].panel.state.inbounds
    inbounds[1]["port"] = 21555
    inbounds[2]["enable"] = False
    kept = await nodes.refresh(shop.tools, "de-1")
    assert [one.panel_id for one in kept.picked] == [1]
    query = "SELECT panel_id, port, enabled FROM inbounds WHERE node_id = 1 ORDER BY 1"
    assert await shop.rows(query) == [(1, 21555, True), (2, 24443, False)]
    inbounds[1]["enable"] = False
    with pytest.raises(Misconfigured, match="node de-1: the panel has no inbound that customers could use"):
        await nodes.refresh(shop.tools, "de-1")


async def test_what_is_offered_is_told_with_what_is_of_no_use(shop: Town) -> None:
    shop.panels["de-1"].panel.state.inbounds[1]["enable"] = False
    node, seen = await nodes.offers(shop.tools, "de-1")
    assert node.name == "de-1"
    assert [(offer.inbound.panel_id, offer.usable) for offer in seen.offers] == [(1, False)]


# Off, on, and gone for good.


async def test_a_node_is_switched_off_without_asking_its_panel_and_on_only_when_that_is_well(shop: Town) -> None:
    await sold(shop)
    await shop.servers[1].stop()
    with HeldPort(int(shop.servers[1].url.rsplit(":", 1)[1])) as port:
        before = await epoch(shop)
        await nodes.disable(shop.tools, "de-1")
        await nodes.disable(shop.tools, "de-1")
        assert ((await row(shop)).mode, await epoch(shop)) == ("off", before + 1)
        with pytest.raises(Misconfigured, match=r"node de-1: 127\.0\.0\.1"):
            await nodes.enable(shop.tools, "de-1")
        assert (await row(shop)).mode == "off"
        emulator = panel(api_token="panel-token")
        shop.servers[1] = await serve(emulator.app, port.number)
    await nodes.enable(shop.tools, "de-1")
    assert (await row(shop)).mode == "active"
    await shop.work()
    assert len(emulator.panel.state.records) == 1


async def test_a_node_that_is_drained_stays_so_until_it_is_undrained(shop: Town) -> None:
    await shop.rows("UPDATE nodes SET mode = 'draining' WHERE name = 'de-1' RETURNING id")
    with pytest.raises(Refused, match="`ferryman node undrain de-1`"):
        await nodes.enable(shop.tools, "de-1")
    await nodes.edit(shop.tools, "de-1", priority=3)
    await nodes.set_inbounds(shop.tools, "de-1", "all")
    assert (await row(shop)).mode == "draining"


async def test_a_retired_node_is_never_called_again(shop: Town) -> None:
    await shop.rows("UPDATE nodes SET mode = 'retired' WHERE name = 'de-1' RETURNING id")
    shop.panels["de-1"].calls.clear()
    for deed in (nodes.enable, nodes.disable, nodes.offers, nodes.refresh):
        with pytest.raises(Refused, match="Node de-1 is retired"):
            await deed(shop.tools, "de-1")
    with pytest.raises(Refused, match="retired"):
        await nodes.edit(shop.tools, "de-1", priority=1)
    assert not shop.panels["de-1"].calls


async def test_a_node_that_is_retired_while_its_panel_is_looked_at_stays_retired(shop: Town) -> None:
    shop.fault("de-1", mode="delay", seconds=3.0, times=1)
    editing = asyncio.create_task(nodes.set_inbounds(shop.tools, "de-1", "all"))
    await until(lambda: bool(shop.panels["de-1"].weather.hits.get("delay")), "the look")
    await shop.rows("UPDATE nodes SET mode = 'retired', priority = 1 WHERE name = 'de-1' RETURNING id")
    with pytest.raises(Refused, match="Node de-1 is retired"):
        await editing
    assert (await row(shop)).mode == "retired"


async def test_a_look_forgives_what_was_held_against_a_panel_before(shop: Town) -> None:
    await shop.rows(
        "UPDATE nodes SET failures = 9, try_at = now() + interval '1 hour', trouble = 'x' WHERE id = 1 RETURNING id"
    )
    await nodes.set_inbounds(shop.tools, "de-1", "all")
    node = await row(shop)
    assert (node.failures, node.try_at, node.trouble) == (0, None, None)


async def test_a_lost_key_of_the_vault_is_named(shop: Town) -> None:
    async with shop.tools.db.unit() as session:
        (await session.get_one(Node, 1)).sealed_access = b"nonsense"
    with pytest.raises(Misconfigured, match="FERRYMAN_SECRET_KEYS"):
        await nodes.edit(shop.tools, "de-1", priority=1)
