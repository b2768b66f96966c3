"""`ferryman key …`: one subscription in an operator's hands, from a shell; the panels follow when a worker runs."""

import json
from datetime import timedelta

import pytest

from ferryman.flows.tools import Tools
from ferryman.subscriptions.subscription import Subscription
from tests.faces.shell import Said, Shell
from tests.support.fleet import Fleet
from tests.support.watching import come_round, now, off


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    made = Fleet(tools)
    await made.nodes("de-1", "nl-1")
    return made


@pytest.fixture
async def one(fleet: Fleet) -> Subscription:
    made = await fleet.subscription()
    await come_round(fleet, 1)
    return await now(fleet, made)


async def key(shell: Shell, *words: str) -> Said:
    return await shell.ferryman("key", *words)


async def well(shell: Shell, *words: str) -> str:
    said = await key(shell, *words)
    assert said.code == 0, said.err
    return said.out


async def test_a_key_is_shown_by_its_ref_and_by_its_customer(shell: Shell, fleet: Fleet, one: Subscription) -> None:
    telegram_id = await fleet.value("SELECT telegram_id FROM customers")
    by_ref, by_customer = await well(shell, "show", one.ref), await well(shell, "show", str(telegram_id))
    assert by_ref == by_customer
    assert f"⛵ {one.ref}  standard, customer {telegram_id}" in by_ref
    assert "30 days left" in by_ref
    assert "✅  de-1  ready" in by_ref
    facts = json.loads(await well(shell, "show", one.ref, "--json"))
    assert [each["node"] for each in facts["keys"]] == ["de-1", "nl-1"]
    shown = by_ref + json.dumps(facts)
    assert not any(secret in shown for secret in (one.token, one.uuid, one.password, one.sub_id))


async def test_a_life_in_commands_and_its_history_in_both_languages(
    shell: Shell, fleet: Fleet, one: Subscription
) -> None:
    await well(shell, "extend", one.ref, "7", "--why", "an outage")
    await well(shell, "limits", one.ref, "--traffic-gb", "5", "--devices", "2")
    assert "❄️  frozen since" in await well(shell, "freeze", one.ref)
    await well(shell, "unfreeze", one.ref)
    assert "switched off since" in await well(shell, "disable", one.ref, "--why", "shared in public")
    await well(shell, "enable", one.ref)
    assert "being replaced since" in await well(shell, "replace", one.ref)
    await come_round(fleet, 3)
    after = await now(fleet, one)
    assert await off(fleet, one) == []
    assert timedelta(days=7) <= after.ends_at - one.ends_at < timedelta(days=8)
    assert (after.traffic_bytes, after.devices, after.disabled_at) == (5 * 1024**3, 2, None)
    assert after.uuid != one.uuid

    english, russian = await well(shell, "history", one.ref), await well(shell, "history", one.ref, "--language", "ru")
    for line in (
        "🎁 Extended: 7 days, until", "(an outage) · operator cli", "📏 New limits: ∞ → 5 GB ∞ → 2", "❄️ Frozen",
        "☀️ Unfrozen", "⛔ Switched off (shared in public)", "🟢 Switched on", "♻️ Replacing", "🔑 The old key is gone",
        "de-1  ✅ The key is there · by itself", "de-1  🧹 The key is gone", "✉️ The customer was told",
    ):  # fmt: skip
        assert line in english, line
    assert len(russian.splitlines()) == len(english.splitlines())
    for line in ("🎁 Продлено: 7 дней, до", "· оператор cli", "de-1  ✅ Ключ создан · сам"):
        assert line in russian, line
    (last,) = json.loads(await well(shell, "history", one.ref, "--json", "--most", "1"))
    assert last["what"] == "told"


async def test_a_key_is_moved_and_deleted(shell: Shell, fleet: Fleet, one: Subscription) -> None:
    await fleet.node("de-2")
    await well(shell, "move", one.ref, "de-1", "de-2")
    await come_round(fleet, 2)
    assert fleet.holders(one) == {"de-2", "nl-1"}
    refused = await key(shell, "delete", one.ref)
    assert (refused.code, "30 paid days left" in refused.err) == (1, True)
    await well(shell, "delete", one.ref, "--force", "--why", "a test of ours")
    await come_round(fleet, 2)
    assert fleet.holders(one) == set()
    assert "No keys on any node." in await well(shell, "show", one.ref)


async def test_what_cannot_be_is_refused_with_a_sentence(shell: Shell, fleet: Fleet, one: Subscription) -> None:
    for words, why in (
        (("show", "nosuchref"), "There is no subscription 'nosuchref'."),
        (("show", "1" * 30), "There is no subscription"),
        (("freeze", "424242"), "nobody with that Telegram id"),
        (("force", one.ref, "--why", "why not"), "No change of this key is waiting"),
        (("move", one.ref, "de-1", "nl-1"), "not another node of the location"),
        (("disable", one.ref, "--why", " "), "Give a reason"),
    ):
        said = await key(shell, *words)
        assert (said.code, why in said.err) == (1, True), said
    assert (await key(shell, "extend", one.ref, "7")).code == 2, "a reason is asked for"
    assert (await key(shell, "limits", one.ref)).code == 2
