"""One node under the doctor's eyes: every ailment is named with its fix, several at once, and advice is no ailment."""

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr

from ferryman.fleet.node import Node
from ferryman.fleet.panel import PanelAccess
from ferryman.flows.fleet import inspecting
from ferryman.flows.shop import checkup, staff
from ferryman.flows.shop.checkup import Finding
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, vless_reality
from tests.support.certificates import made_up, serve_tls
from tests.support.shop import Town

SECRET = "a-secret-that-nobody-may-read"


async def findings(shop: Town, name: str = "de-1") -> list[Finding]:
    async with shop.tools.db.unit() as session:
        node = await session.get_one(Node, {"de-1": 1, "nl-1": 2, "fi-1": 3}[name])
    return [finding async for finding in checkup.of_node(shop.tools, node)]


async def ailments(shop: Town) -> list[Finding]:
    found = [finding for finding in await findings(shop) if not finding.well]
    assert all(finding.fix for finding in found), "an ailment without a fix"
    return found


async def only(shop: Town) -> Finding:
    (one,) = await ailments(shop)
    assert SECRET not in one.found + one.fix
    return one


async def advice(shop: Town) -> Finding:
    """The one thing that is advised; the node is well."""
    found = await findings(shop)
    assert all(finding.well for finding in found)
    (one,) = [finding for finding in found if finding.fix]
    return one


async def set_node(shop: Town, **facts: Any) -> None:
    """Columns of de-1, as SQL."""
    settings = ", ".join(f"{name} = {value}" for name, value in facts.items())
    await shop.rows(f"UPDATE nodes SET {settings} WHERE id = 1 RETURNING id")


async def set_access(shop: Town, **facts: Any) -> None:
    async with shop.tools.db.unit() as session:
        node = await session.get_one(Node, 1)
        node.sealed_access = shop.tools.vault.seal({**shop.tools.vault.open(node.sealed_access), **facts})


def settings(shop: Town, **facts: Any) -> None:
    shop.tools.settings = shop.tools.settings.model_copy(update=facts)


async def sold(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()


async def test_a_node_that_is_well_says_what_was_found(shop: Town) -> None:
    (one,) = await findings(shop)
    assert (one.what, one.well, one.fix, one.icon) == ("node de-1", True, "", "✅")
    assert one.found == "panel 3.6.0, 1 inbounds"


# What the panel shows.


async def test_a_wrong_base_path_is_named(shop: Town) -> None:
    await set_access(shop, url=shop.spec["nodes"][0]["url"].replace("/base/", "/old/"))
    assert "base path" in (await only(shop)).found


async def test_a_password_that_was_changed_is_named(shop: Town) -> None:
    await set_access(shop, token=None, username="admin", password=SECRET)
    one = await only(shop)
    assert "refused the login of 'admin'" in one.found
    assert "`ferryman node edit de-1`" in one.fix


async def test_a_second_factor_that_was_switched_on_is_named(shop: Town) -> None:
    shop.panels["de-1"].panel.switches.change({"two_factor_secret": pyotp.random_base32()})
    await set_access(shop, token=None, username="admin", password="admin")
    assert "second factor" in (await only(shop)).found


async def test_several_ailments_of_one_node_are_all_named(shop: Town) -> None:
    shop.panels["de-1"].panel.switches.change({"xray_down": True})
    shop.panels["de-1"].panel.core.running = False
    shop.panels["de-1"].clock.advance(600)
    shop.panels["de-1"].panel.state.inbounds[1]["enable"] = False
    found = await ailments(shop)
    assert [finding.found.split(",")[0] for finding in found] == [
        "the panel answers",
        "its clock is off by +600 s",
        "inbound 1 is gone or disabled",
    ]
    assert "`ferryman node inbounds de-1 --choose all`" in found[2].fix


async def test_an_inbound_that_lost_its_link_is_named(shop: Town) -> None:
    inbound = shop.panels["de-1"].panel.state.inbounds[1]
    inbound["streamSettings"] = copy.deepcopy(inbound["streamSettings"])
    inbound["streamSettings"]["realitySettings"]["settings"]["publicKey"] = ""
    one = await only(shop)
    assert one.found.startswith("inbound 1 (VLESS REALITY, port 21443) is of no use to customers: The REALITY inbound")
    assert "--refresh" in one.fix


async def test_a_node_without_any_chosen_inbound_is_named(shop: Town) -> None:
    await shop.rows("UPDATE inbounds SET enabled = false WHERE node_id = 1 RETURNING id")
    assert "no inbound that keys are put on" in (await only(shop)).found


# The way there.


@pytest.fixture
async def tls_panel(tmp_path: Path) -> AsyncIterator[Any]:
    """Start a panel behind TLS, its certificate with so many days left; answers its certificate and its address."""
    servers = []

    async def start(days: int = 30) -> Any:
        certificate = made_up(tmp_path, days=days)
        emulator = XuiEmulator(
            Store(":memory:"), base_path="/base/", api_token="panel-token", inbounds=[vless_reality(port=21443)]
        )
        servers.append(await serve_tls(emulator.app, certificate))
        return certificate, f"{servers[-1].url}/base/"

    yield start
    for server in servers:
        await server.stop()


async def test_a_certificate_that_nobody_vouches_for_is_shown(shop: Town, tls_panel: Any) -> None:
    certificate, url = await tls_panel()
    await set_access(shop, url=url)
    one = await only(shop)
    assert f"is self-signed; its SHA-256 is {certificate.sha256}" in one.found
    assert "`ferryman node edit de-1 --pin …`" in one.fix


async def test_another_certificate_than_the_pinned_one_is_told(shop: Town, tls_panel: Any) -> None:
    _, url = await tls_panel()
    await set_access(shop, url=url, pin="0" * 64)
    assert "another certificate than the pinned one" in (await only(shop)).found


async def test_a_certificate_that_has_expired_is_named(shop: Town, tls_panel: Any) -> None:
    certificate, url = await tls_panel(days=-1)
    await set_access(shop, url=url, ca=certificate.pem)
    assert "has expired" in (await only(shop)).found


async def test_one_that_will_soon_expire_is_advice(shop: Town, tls_panel: Any) -> None:
    certificate, url = await tls_panel(days=5)
    await set_access(shop, url=url, ca=certificate.pem)
    one = await advice(shop)
    assert "expires on" in one.found and one.icon == "⚠️ "
    await set_access(shop, url=url, ca="", pin=certificate.sha256)
    assert not [finding for finding in await findings(shop) if finding.fix]


async def test_an_address_that_customers_cannot_connect_to_is_named_where_money_is_taken(shop: Town) -> None:
    await set_node(shop, address="'10.0.0.7'")
    assert await ailments(shop) == []
    settings(shop, env="production")
    assert "Customers cannot connect to 10.0.0.7" in (await only(shop)).found


async def test_a_panel_over_plain_http_is_named_where_money_is_taken(shop: Town) -> None:
    settings(shop, env="production")
    await set_node(shop, address="'8.8.8.8'")
    await set_access(shop, url="http://panel.invalid:2053/")
    assert "plain http" in (await ailments(shop))[0].found


async def test_a_port_that_refuses_is_named_and_one_that_accepts_is_well(shop: Town) -> None:
    settings(shop, probe_ports=True)
    await set_node(shop, address="'127.0.0.1'")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await shop.rows("UPDATE inbounds SET port = :port WHERE node_id = 1 RETURNING id", port=port)
    assert await ailments(shop) == []
    server.close()
    await server.wait_closed()
    one = await only(shop)
    assert one.found == f"no connection to 127.0.0.1 port {port} (connection refused)"
    assert "firewall" in one.fix


# What our own books say.


async def test_a_node_that_is_full_is_advice(shop: Town) -> None:
    await sold(shop)
    await set_node(shop, capacity_clients=1)
    assert (await advice(shop)).found == "nearly full: 1 keys of 1"
    await set_node(shop, capacity_clients=0, capacity_bytes=2**30)
    await shop.rows(
        """INSERT INTO node_samples (node_id, at, state, clients, online, up, down)
           VALUES (1, now(), 'healthy', 1, 1, 0, :down) RETURNING id""",
        down=3 * 2**30,
    )
    one = await advice(shop)
    assert one.found == "over its capacity: 3 GB of 1 in thirty days"
    assert "Add a node in de-1" in one.fix


async def test_keys_that_wait_for_long_are_named_with_what_holds_them(shop: Town) -> None:
    await sold(shop)
    await shop.rows(
        """UPDATE keys SET seen_revision = NULL, failures = 3, error = 'The panel was locked.',
                           created_at = now() - interval '1 hour' WHERE node_id = 1 RETURNING id"""
    )
    one = await only(shop)
    assert one.found == "1 keys wait to be put there (The panel was locked)"
    assert "worker" in one.fix


async def test_a_key_that_was_bought_just_now_is_no_ailment(shop: Town) -> None:
    await sold(shop)
    await shop.rows("UPDATE keys SET seen_revision = NULL WHERE node_id = 1 RETURNING id")
    assert await ailments(shop) == []


async def test_old_clients_that_cannot_be_deleted_for_long_are_named(shop: Town) -> None:
    await shop.rows(
        """INSERT INTO tombstones (node_id, email, uuid, sub_id, why, try_at, created_at)
           VALUES (1, 'fm-a', 'u', 's', 'replaced', now(), now() - interval '1 hour') RETURNING id"""
    )
    assert (await only(shop)).found == "1 old clients wait to be deleted there"


async def test_a_long_quarantine_is_an_ailment_and_a_short_one_advice(shop: Town) -> None:
    await set_node(shop, quarantined_at="now() - interval '5 minutes'")
    assert "out of service since" in (await advice(shop)).found
    await set_node(shop, quarantined_at="now() - interval '5 hours'")
    assert "`ferryman node drain de-1`" in (await only(shop)).fix


async def test_a_node_that_is_drained_says_what_is_next(shop: Town) -> None:
    await set_node(shop, mode="'draining'")
    one = await advice(shop)
    assert (one.found, "`ferryman node retire de-1`" in one.fix) == ("drained and empty", True)
    await set_node(shop, mode="'active'")
    await sold(shop)
    await set_node(shop, mode="'draining'")
    assert (await advice(shop)).found == "being drained, 1 keys left"


async def test_a_node_that_nobody_audits_is_named(shop: Town) -> None:
    await set_node(shop, created_at="now() - interval '1 day'", audited_at="NULL")
    assert (await only(shop)).found == "compared with our books never"
    await set_node(shop, audited_at="now() - interval '3 hours'")
    assert (await only(shop)).found.startswith("compared with our books not since")
    await set_node(shop, audited_at="now()")
    assert await ailments(shop) == []


@pytest.mark.parametrize(("mode", "says"), [("off", "switched off"), ("retired", "retired")])
async def test_a_node_out_of_use_is_not_asked(shop: Town, mode: str, says: str) -> None:
    await set_node(shop, mode=f"'{mode}'")
    shop.panels["de-1"].calls.clear()
    (one,) = await findings(shop)
    assert (one.found, one.well) == (says, True)
    assert not shop.panels["de-1"].calls


# The fleet as a whole.


async def examined(shop: Town) -> dict[str, Finding]:
    return {finding.what: finding async for finding in checkup.examine(shop.tools)}


async def test_a_location_where_nobody_is_served_is_advice_and_a_plan_that_promises_it_an_ailment(shop: Town) -> None:
    await set_node(shop, mode="'off'")
    await shop.rows(
        """UPDATE plans SET places = '{"rule": "these", "codes": ["de-1", "nl-1"]}' WHERE code = 'standard'
           RETURNING id"""
    )
    await shop.rows(
        """UPDATE plans SET places = '{"rule": "one", "codes": ["de-1", "nl-1"], "switch_hours": 0}'
           WHERE code = 'unlimited' RETURNING id"""
    )
    found = await examined(shop)
    assert (found["location de-1"].well, found["location de-1"].found) == (True, "no node serves there")
    assert (found["plan standard"].well, found["plan standard"].found) == (False, "no node serves in de-1")
    assert "plan unlimited" not in found
    await shop.rows("UPDATE nodes SET quarantined_at = now() WHERE name = 'nl-1' RETURNING id")
    assert (await examined(shop))["plan unlimited"].found == "no node serves in de-1, nl-1"


async def test_that_nobody_hears_of_trouble_is_advice_until_somebody_does(shop: Town) -> None:
    assert "ferryman staff add" in (await examined(shop))["alerts"].fix
    await staff.add(shop.tools, 4242, "Olga")
    assert "Press Start in the bot" in (await examined(shop))["alerts"].fix
    await shop.customer(4242)
    found = (await examined(shop))["alerts"]
    assert (found.found, found.fix) == ("Olga will hear of trouble", "")


async def test_a_retired_node_is_not_mentioned(shop: Town) -> None:
    await set_node(shop, mode="'retired'")
    found = await examined(shop)
    assert "node de-1" not in found and "location de-1" not in found


async def test_panels_that_hang_are_waited_for_side_by_side(shop: Town) -> None:
    for name in shop.panels:
        shop.fault(name, mode="delay", seconds=1.0, times=-1)
    began = asyncio.get_running_loop().time()
    await examined(shop)
    alone = asyncio.get_running_loop().time()
    await findings(shop)
    assert alone - began < 2.5 * (asyncio.get_running_loop().time() - alone)


def test_what_is_sealed_can_be_opened_again() -> None:
    access = PanelAccess("https://a/", SecretStr("t"), "u", SecretStr("p"), "pin", True, SecretStr("f"), "pem")
    assert set(inspecting.document_of(access).values()) == {"https://a/", "t", "u", "p", "pin", True, "f", "pem"}
