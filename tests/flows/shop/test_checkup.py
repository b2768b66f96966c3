"""The doctor: every ailment is found, and its fix is named."""

from typing import Any

import pytest

from ferryman.billing.methods import Method
from ferryman.fleet.node import Node
from ferryman.flows.payments import ways
from ferryman.flows.shop import checkup, setup, staff
from ferryman.flows.shop.checkup import Finding
from ferryman.kit.errors import AccessDenied, Misconfigured, Unreachable
from ferryman.kit.secrets import Vault, new_key
from ferryman_sandbox.weather import Fault
from tests.support.messages import Outbox
from tests.support.shop import Town

TOKEN = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"


@pytest.fixture
async def shop(shop: Town) -> Town:
    """As it is where a bot token is set and somebody hears of trouble."""
    shop.tools.settings = shop.tools.settings.model_copy(update={"telegram_token": TOKEN})
    await staff.add(shop.tools, 4242, "Olga", "owner")
    await shop.customer(4242)
    return shop


async def examined(shop: Town) -> dict[str, Finding]:
    return {finding.what: finding async for finding in checkup.examine(shop.tools)}


async def ailments(shop: Town) -> dict[str, Finding]:
    return {what: finding for what, finding in (await examined(shop)).items() if not finding.well}


async def only(shop: Town, what: str) -> Finding:
    """The one thing that is wrong; everything else must be well."""
    found = await ailments(shop)
    assert list(found) == [what]
    return found[what]


async def test_when_all_is_well_every_part_says_what_was_found(shop: Town) -> None:
    found = await examined(shop)
    assert list(found) == [
        "database", "telegram", "alerts", "plans", "payments", "nodes",
        "provider yookassa", "node de-1", "node nl-1", "node fi-1",
    ]  # fmt: skip
    assert all(finding.well and not finding.fix for finding in found.values())
    assert found["telegram"].found == "the bot is @outbox_bot"
    assert found["plans"].found == "2 on sale"
    assert found["nodes"].found == "3 in use"
    assert found["node de-1"].found.startswith("panel 3.")
    assert found["database"].found.startswith("PostgreSQL 1")


async def test_an_empty_shop_names_what_is_missing(shop: Town) -> None:
    for table in ("prices", "terms", "payment_methods", "inbounds", "nodes", "plans"):
        await shop.rows(f"DELETE FROM {table} RETURNING 1")
    found = await ailments(shop)
    assert set(found) == {"plans", "payments", "nodes"}
    assert all("ferryman apply" in finding.fix for finding in found.values())


async def test_a_shop_whose_parts_are_all_switched_off_has_nothing_to_sell(shop: Town) -> None:
    await shop.rows("UPDATE nodes SET mode = 'off' RETURNING id")
    await shop.rows("UPDATE terms SET active = false RETURNING id")
    await shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    found = await examined(shop)
    assert {what for what, finding in found.items() if not finding.well} == {"plans", "payments", "nodes"}
    assert found["node de-1"].found == "switched off"


async def test_no_bot_token_names_the_setting(shop: Town) -> None:
    shop.tools.settings = shop.tools.settings.model_copy(update={"telegram_token": None})
    assert "FERRYMAN_TELEGRAM_TOKEN" in (await only(shop, "telegram")).fix


@pytest.mark.parametrize(
    ("trouble", "fix"),
    [(AccessDenied("Telegram refused."), "@BotFather again"), (Unreachable("No answer."), "api.telegram.org can be")],
)
async def test_a_bot_that_cannot_speak_says_why(shop: Town, trouble: Exception, fix: str) -> None:
    class Mute(Outbox):
        async def whoami(self) -> str:
            raise trouble

    shop.tools.sender = Mute()
    finding = await only(shop, "telegram")
    assert finding.found == str(trouble)
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        ({"mode": "status", "status": 401, "body": {"type": "error", "code": "invalid_credentials"}}, "shop file"),
        ({"mode": "html", "status": 502}, "reached from here"),
        ({"mode": "drop_before"}, "reached from here"),
    ],
)
async def test_a_bank_that_does_not_do_its_part_is_named(shop: Town, fault: dict[str, Any], fix: str) -> None:
    shop.bank.weather.add(Fault.from_json({**fault, "times": -1}))
    assert fix in (await only(shop, "provider yookassa")).fix


async def test_a_wrong_bank_key_is_told_from_a_bank_that_is_away(shop: Town) -> None:
    config = {**shop.spec["providers"][0]["config"], "secret_key": "live_another_key"}
    async with shop.tools.db.unit() as session:
        method = await session.get_one(Method, "yookassa")
        method.sealed_config = shop.tools.vault.seal(config)
    finding = await only(shop, "provider yookassa")
    assert "its account's keys" in finding.fix
    assert "another_key" not in finding.found


async def test_29_an_address_that_ends_coingates_callbacks_is_refused_and_named(shop: Town) -> None:
    """When it is set up, and, where the address was changed since, by the doctor."""
    tools = shop.tools
    tools.settings = tools.settings.model_copy(update={"env": "production", "public_url": "http://bot.example"})
    config = {"api_token": "t"}
    with pytest.raises(Misconfigured, match="FERRYMAN_PUBLIC_URL"):
        await ways.edit(tools, "coingate", ways.Edit(config))
    with pytest.raises(Misconfigured, match="FERRYMAN_PUBLIC_URL"):
        await setup.apply(tools, setup.Shop.model_validate({"providers": [{"name": "coingate", "config": config}]}))
    async with tools.db.unit() as session:
        assert await session.get(Method, "coingate") is None
        session.add(Method(name="coingate", enabled=True, sealed_config=tools.vault.seal(config)))
    found = (await examined(shop))["provider coingate"]
    assert (found.well, "FERRYMAN_PUBLIC_URL" in found.fix) == (False, True)


async def test_a_panel_that_is_down_is_named_and_the_others_are_examined_all_the_same(shop: Town) -> None:
    await shop.servers[1].stop()
    finding = await only(shop, "node de-1")
    assert "reached from here" in finding.fix


async def test_a_panel_that_no_longer_takes_the_token_is_named(shop: Town) -> None:
    async with shop.tools.db.unit() as session:
        node = await session.get_one(Node, 1)
        access = {**shop.tools.vault.open(node.sealed_access), "token": "a-token-of-yesterday"}
        node.sealed_access = shop.tools.vault.seal(access)
    finding = await only(shop, "node de-1")
    assert "its address and credentials" in finding.fix
    assert "a-token-of-yesterday" not in finding.found + finding.fix


async def test_an_inbound_that_is_gone_or_switched_off_is_named_by_its_number(shop: Town) -> None:
    await shop.rows("UPDATE inbounds SET panel_id = 77 WHERE node_id = 1 RETURNING id")
    finding = await only(shop, "node de-1")
    assert "inbound 77 is gone or disabled" in finding.found
    assert "apply the shop file again" in finding.fix


async def test_a_core_that_stands_still_is_named(shop: Town) -> None:
    shop.panels["de-1"].panel.switches.change({"xray_down": True})
    shop.panels["de-1"].panel.core.running = False
    assert "Start Xray" in (await only(shop, "node de-1")).fix


@pytest.mark.parametrize("skew", [-300, 300])
async def test_a_clock_that_is_off_is_named_with_its_direction(shop: Town, skew: int) -> None:
    shop.tools.clock.advance(seconds=-skew)  # type: ignore[attr-defined]
    found = await ailments(shop)
    assert set(found) == {"node de-1", "node nl-1", "node fi-1"}
    for finding in found.values():
        assert f"{'+' if skew > 0 else '-'}" in finding.found
        assert "NTP" in finding.fix


async def test_secrets_sealed_with_a_lost_key_name_the_setting(shop: Town) -> None:
    lost = Vault([new_key()])
    shop.tools.vault = lost
    shop.tools.connections._vault = lost
    shop.tools.connections._open.clear()
    found = await ailments(shop)
    assert set(found) == {"provider yookassa", "node de-1", "node nl-1", "node fi-1"}
    assert all("FERRYMAN_SECRET_KEYS" in finding.fix for finding in found.values())


async def test_an_examination_changes_nothing(shop: Town) -> None:
    await shop.rows("UPDATE nodes SET checked_at = now() RETURNING id")
    before = await shop.rows("SELECT n.*, i.* FROM nodes n JOIN inbounds i ON i.node_id = n.id ORDER BY n.id, i.id")
    calls = {name: len(panel.panel.state.records) for name, panel in shop.panels.items()}
    await examined(shop)
    assert (
        await shop.rows("SELECT n.*, i.* FROM nodes n JOIN inbounds i ON i.node_id = n.id ORDER BY n.id, i.id")
        == before
    )
    assert {name: len(panel.panel.state.records) for name, panel in shop.panels.items()} == calls
