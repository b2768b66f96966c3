"""The command line as a person meets it: every command, every ailment, one line each, and a fix in it."""

from pathlib import Path
from typing import Any

import pytest

from ferryman import __version__
from ferryman.billing.methods import Method
from ferryman.fleet.node import Node
from ferryman.kit.secrets import Vault, new_key
from tests.faces.conftest import toml
from tests.faces.shell import Said, Shell
from tests.support.shop import Town

COMMANDS = ("run", "web", "bot", "worker", "migrate", "apply", "doctor", "stuck", "new-key", "node", "staff", "key")


def shop_file(shop: Town, folder: Path, **changes: Any) -> str:
    path = folder / "shop.toml"
    path.write_text(toml({**shop.spec, **changes}), encoding="utf-8")
    return str(path)


def node(shop: Town, number: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """One node of the shop file, changed."""
    return [{**shop.spec["nodes"][number], **changes}]


def ails(said: Said) -> dict[str, str]:
    """What the doctor found wrong, and the fix on the line after it."""
    lines = said.out.splitlines()
    assert lines[0] == "✅ settings: read"
    return {
        line.removeprefix("❌ ").split(":")[0]: following.strip()
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("❌ ")
    }


async def test_help_lists_every_command_and_version_says_it(shell: Shell) -> None:
    helped = await shell.ferryman("--help")
    assert helped.code == 0
    for command in COMMANDS:
        assert command in helped.out
    assert (await shell.ferryman("--version")).out == f"ferryman {__version__}\n"


async def test_a_command_that_does_not_exist_is_a_mistake_of_usage(shell: Shell) -> None:
    said = await shell.ferryman("sell")
    assert said.code == 2
    assert "sell" in said.err


async def test_a_new_key_is_one_that_opens_what_it_sealed(shell: Shell) -> None:
    said = await shell.ferryman("new-key")
    vault = Vault([said.out.strip()])
    assert (said.code, vault.open(vault.seal({"a": 1}))) == (0, {"a": 1})


async def test_migrating_says_which_schema_it_reached_and_may_be_repeated(shell: Shell) -> None:
    first = await shell.ferryman("migrate")
    assert (first.code, first.out.startswith("✅ schema 0")) == (0, True)
    assert (await shell.ferryman("migrate")).out == first.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FERRYMAN_SECRET_KEYS", "hunter2-is-no-key"),
        ("DATABASE_URL", "mysql://user:hunter2hunter2@host/db"),
    ],
)
async def test_a_wrong_setting_is_one_line_that_names_it(shell: Shell, variable: str, value: str) -> None:
    said = await shell.ferryman("stuck", **{variable: value})
    assert (said.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert line.startswith("❌ ")
    assert variable in line


async def test_a_database_that_is_not_there_is_one_line(shell: Shell) -> None:
    for command in ("migrate", "web"):
        said = await shell.ferryman(command, DATABASE_URL="postgresql://nobody:hunter2@127.0.0.1:9/none")
        assert (said.code, said.err) == (1, "❌ The database does not answer.\n")


async def test_a_data_folder_that_cannot_be_written_to_is_one_line(shell: Shell) -> None:
    (shell.folder / "file").write_text("in the way")
    here = str(shell.folder / "file" / "data")
    for command, missing in (("stuck", "FERRYMAN_SECRET_KEYS"), ("migrate", "DATABASE_URL")):
        said = await shell.ferryman(command, FERRYMAN_DATA_DIR=here, **{missing: ""})
        assert said.code == 1
        assert "FERRYMAN_DATA_DIR" in said.err


async def test_applying_a_good_file_twice_says_the_same_and_changes_nothing(shop: Town, shell: Shell) -> None:
    path = shop_file(shop, shell.folder)
    first, second = await shell.ferryman("apply", path), await shell.ferryman("apply", path)
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    lines = first.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "✅ plan standard", "✅ plan unlimited", "✅ provider yookassa", "✅ node de-1", "✅ node nl-1", "✅ node fi-1",
    ]  # fmt: skip
    assert await shop.value("SELECT count(*) FROM nodes") == 3
    assert await shop.value("SELECT count(*) FROM terms") == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "There is no file"),
        ("[[plans]]\ncode = 'x'", "plans.0.title: Field required"),
        ("[[providers]]\nname = 'yookassa'\nconfig = { secret_key = 'env:NOWHERE_SET' }", "Set NOWHERE_SET"),
    ],
)
async def test_a_file_with_mistakes_is_one_line_that_names_them(shell: Shell, text: str | None, says: str) -> None:
    if text is not None:
        (shell.folder / "shop.toml").write_text(text)
    said = await shell.ferryman("apply", "shop.toml")
    assert (said.code, said.out) == (1, "")
    assert said.err.count("❌") == 1
    assert says in said.err


async def test_applying_without_a_file_is_a_mistake_of_usage(shell: Shell) -> None:
    assert (await shell.ferryman("apply")).code == 2


async def test_every_part_that_cannot_be_applied_is_named_and_the_rest_is_kept(shop: Town, shell: Shell) -> None:
    """A panel that is down, one that refuses the token, one without the inbound; and a bank that refuses the key."""
    await shop.servers[1].stop()
    bank = {**shop.spec["providers"][0]["config"], "secret_key": "live_another_hunter2"}
    nodes = [
        *node(shop, 0),
        *node(shop, 1, token="hunter2-of-yesterday"),
        *node(shop, 2, inbounds=[7]),
    ]
    path = shop_file(shop, shell.folder, nodes=nodes, providers=[{"name": "yookassa", "config": bank}])
    said = await shell.ferryman("apply", path)
    assert (said.code, said.err.count("❌")) == (1, 1)
    for part in ("provider yookassa: ", "node de-1: ", "node nl-1: ", "node fi-1: the panel has no inbound 7."):
        assert part.lower() in said.err.lower()
    assert "Kept: plan standard, plan unlimited." in said.err


async def test_the_doctor_finds_nothing_where_all_is_well(shop: Town, shell: Shell) -> None:
    said = await shell.ferryman("doctor")
    assert (said.code, ails(said)) == (0, {})
    assert "the bot is @" in said.out
    assert "⚠️  alerts: nobody hears of trouble\n   👉 `ferryman staff add" in said.out
    assert said.out.count("✅") == 10


async def test_the_doctor_of_an_empty_shop_names_all_that_is_missing(shell: Shell) -> None:
    said = await shell.ferryman("doctor", FERRYMAN_TELEGRAM_TOKEN="")
    found = ails(said)
    assert said.code == 1
    assert list(found) == ["telegram", "plans", "payments", "nodes"]
    assert "FERRYMAN_TELEGRAM_TOKEN" in found["telegram"]
    assert all("ferryman apply" in found[what] for what in ("plans", "payments", "nodes"))


async def test_the_doctor_names_a_fix_for_each_of_many_ailments(shop: Town, shell: Shell) -> None:
    await shop.servers[1].stop()
    await shop.rows("UPDATE inbounds SET panel_id = 77 WHERE node_id = 2 RETURNING id")
    shop.panels["fi-1"].panel.switches.change({"xray_down": True})
    shop.panels["fi-1"].panel.core.running = False
    async with shop.tools.db.unit() as session:
        bank = shop.spec["providers"][0]["config"] | {"secret_key": "live_another_hunter2"}
        (await session.get_one(Method, "yookassa")).sealed_config = shop.tools.vault.seal(bank)
    said = await shell.ferryman("doctor", FERRYMAN_TELEGRAM_TOKEN="123456:AAF-hunter2-another-token-00000000000")
    found = ails(said)
    assert said.code == 1
    assert list(found) == ["telegram", "provider yookassa", "node de-1", "node nl-1", "node fi-1"]
    assert "@BotFather" in found["telegram"]
    assert "its account's keys" in found["provider yookassa"]
    assert "reached from here" in found["node de-1"]
    assert "Enable it in the panel" in found["node nl-1"]
    assert "Start Xray" in found["node fi-1"]


async def test_the_doctor_tells_a_clock_from_a_token_from_a_bot_api_that_is_away(shop: Town, shell: Shell) -> None:
    shop.panels["de-1"].clock.advance(300)
    async with shop.tools.db.unit() as session:
        second = await session.get_one(Node, 2)
        access = shop.tools.vault.open(second.sealed_access) | {"token": "hunter2-of-yesterday"}
        second.sealed_access = shop.tools.vault.seal(access)
    said = await shell.ferryman("doctor", FERRYMAN_TELEGRAM_API_BASE="http://127.0.0.1:9")
    found = ails(said)
    assert list(found) == ["telegram", "node de-1", "node nl-1"]
    assert "http://127.0.0.1:9 can be reached" in found["telegram"]
    assert "NTP" in found["node de-1"]
    assert "its address and credentials" in found["node nl-1"]


async def test_the_doctor_names_the_lost_key(shop: Town, shell: Shell) -> None:
    found = ails(await shell.ferryman("doctor", FERRYMAN_SECRET_KEYS=new_key()))
    assert set(found) == {"provider yookassa", "node de-1", "node nl-1", "node fi-1"}
    assert all("FERRYMAN_SECRET_KEYS" in fix for fix in found.values())


async def test_stuck_lists_money_without_key_and_says_so_with_its_exit_code(shop: Town, shell: Shell) -> None:
    calm = await shell.ferryman("stuck")
    assert calm.code == 0
    assert calm.out.startswith("✅ every paid key is where it belongs")
    shop.fault("nl-1", mode="drop_before", times=-1)
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    said = await shell.ferryman("stuck")
    ref = await shop.value("SELECT ref FROM payments")
    assert said.code == 1
    what, where, fix = said.out.splitlines()
    assert what.startswith(f"💸 {ref} · keys missing · for ")
    assert where.startswith("   ↳ nl-1: ")
    assert fix == f"   👉 ferryman repair {ref}"
