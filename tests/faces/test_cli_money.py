"""`ferryman stuck | repair | payment | events | provider …` from a shell, beside an emulated bank and three panels."""

import json
import re

import pytest

from ferryman.billing.methods import Method
from tests.faces.shell import Shell
from tests.support.shop import Town


async def well(shell: Shell, *words: str, **more: str) -> str:
    said = await shell.ferryman(*words, **more)
    assert said.code == 0, said.out + said.err
    return said.out


async def ill(shell: Shell, *words: str) -> str:
    said = await shell.ferryman(*words)
    assert said.code == 1, said.out + said.err
    return said.out + said.err


async def test_what_is_stuck_is_named_and_repaired(shop: Town, shell: Shell) -> None:
    assert (await well(shell, "stuck")).startswith("✅")
    shop.pay(await shop.order(await shop.customer()))
    ref = str(await shop.value("SELECT ref FROM payments"))
    said = await well(shell, "repair", ref)
    assert said.splitlines()[0] == "🔧 asked the provider: paid"
    assert said.splitlines()[-1] == "🔧 every key is where it belongs"
    await shop.rows("UPDATE subscriptions SET ends_at = ends_at + interval '30 days' RETURNING id")
    assert "🎭" in await ill(shell, "stuck")
    found = json.loads((await shell.ferryman("stuck", "--json")).out)
    assert [len(found[name]) for name in ("money_without_key", "key_without_money")] == [0, 1]
    assert "There is no payment" in await ill(shell, "repair", "no-such-payment")


async def test_a_review_is_listed_and_decided_with_a_reason(shop: Town, shell: Shell) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, amount={"value": "150.00", "currency": "RUB"})
    await shop.webhook(paid)
    await shop.work()
    ref = str(await shop.value("SELECT ref FROM payments"))
    assert "150.00 RUB came instead" in await well(shell, "payment", "list")
    assert (await shell.ferryman("payment", "accept", ref)).code == 2
    assert "paid" in await well(shell, "payment", "accept", ref, "--why", "a good customer")
    assert "no payment waits" in await well(shell, "payment", "list")
    assert "not in review" in await ill(shell, "payment", "credit", ref, "--why", "again")


async def test_events_are_listed_shown_and_replayed(shop: Town, shell: Shell) -> None:
    assert "nothing came in" in await well(shell, "events", "list")
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    assert "payment.succeeded" in await well(shell, "events", "list", "--verdict", "paid")
    shown = await well(shell, "events", "show", "1")
    assert "paid" in shown
    assert '"type": "notification"' in shown
    assert "already_settled" in await well(shell, "events", "replay", "1")
    assert "There is no event" in await ill(shell, "events", "show", "77")


async def test_a_provider_is_listed_edited_and_its_way_named(shop: Town, shell: Shell) -> None:
    listed = await well(shell, "provider", "list")
    assert "yookassa" in listed.splitlines()[0]
    assert "✅ on" in listed.splitlines()[0]
    assert re.search(r"📨 its webhooks go to http\S+/hooks/yookassa/[A-Za-z0-9_-]{32}$", listed, re.MULTILINE)
    assert "/hooks/balance/" not in listed
    assert "refuses the shop's credentials" not in listed
    await shop.rows("UPDATE payment_methods SET denied_at = '2026-01-02 03:04+00' RETURNING name")
    assert "🔐 it refuses the shop's credentials since 2026-01-02 03:04" in await well(shell, "provider", "list")
    assert "/hooks/coingate/" not in listed, "it is not set up"
    assert "env:" not in await well(shell, "provider", "edit", "yookassa", "--position", "3")
    said = await ill(shell, "provider", "edit", "yookassa", "--set", "shop_id=env:NO_SUCH_VARIABLE")
    assert "NO_SUCH_VARIABLE, which is not set" in said
    assert "FIELD=VALUE" in await ill(shell, "provider", "edit", "yookassa", "--set", "secret")
    said = await ill(shell, "provider", "edit", "coingate", "--set", "token=x", "--on")
    assert "it has: api_token, previous_token, api_base, receive_currency." in said
    assert "webhooks" not in await well(shell, "provider", "edit", "balance", "--on"), "nobody sends it any"
    await well(shell, "provider", "way", "yookassa", "sbp", "--off")
    assert "⏸  ⚡" in await well(shell, "provider", "list") or "⏸" in await well(shell, "provider", "list")
    assert "both languages" in await ill(shell, "provider", "way", "yookassa", "sbp", "--ru", "СБП")
    assert "not paid within" in await ill(shell, "provider", "test", "yookassa", "--wait", "5")
    assert "refund make" in await ill(shell, "provider", "test", "stars"), "who opened its link would be turned away"
    assert "write the sum" in await ill(shell, "provider", "test", "yookassa", "--amount", "ten")


async def secret_key(shop: Town) -> str:
    async with shop.tools.db.unit() as session:
        method = await session.get_one(Method, "yookassa")
        return str(shop.tools.vault.open(method.sealed_config)["secret_key"])


@pytest.mark.parametrize(
    ("provider", "setting", "says"),
    [
        ("yookassa", "secret_key=hunter2", "give env:NAME"),
        ("yookassa", "secret_key=env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ("coingate", "previous_token=hunter2", "give env:NAME"),
        ("stripe", "secret_key=hunter2", "give env:NAME"),
        ("robokassa", "previous_password_2=hunter2", "give env:NAME"),
    ],
)
async def test_a_secret_is_no_argument(shop: Town, shell: Shell, provider: str, setting: str, says: str) -> None:
    said = await shell.ferryman("provider", "edit", provider, "--set", setting)
    told = " ".join(said.err.replace("│", " ").split())
    assert (said.code, said.out, says in told, setting.partition("=")[0] in told) == (2, "", True, True)
    assert await secret_key(shop) == "live_key_of_the_tests"


async def test_a_secret_comes_from_the_environment_or_from_standard_input(shop: Town, shell: Shell) -> None:
    words = ("provider", "edit", "yookassa", "--off", "--set")
    await well(shell, *words, "secret_key=env:KEY", KEY="another key")
    assert await secret_key(shop) == "another key"
    await well(shell, *words, "secret_key=-", "--set", "shop_id=100500", typed="live_key_of_the_tests\n")
    assert await secret_key(shop) == "live_key_of_the_tests"
    assert "secret_key" in await ill(shell, *words, "secret_key=")


async def test_a_secret_that_is_optional_can_be_taken_out(shop: Town, shell: Shell) -> None:
    words = ("provider", "edit", "coingate", "--off", "--set")
    await well(shell, *words, "api_token=env:NEW", "--set", "previous_token=env:OLD", NEW="new", OLD="old")
    await well(shell, *words, "previous_token=")
    async with shop.tools.db.unit() as session:
        method = await session.get_one(Method, "coingate")
    assert shop.tools.vault.open(method.sealed_config) == {"api_token": "new", "previous_token": None}


async def test_where_the_banks_list_and_the_books_differ_is_listed(shop: Town, shell: Shell) -> None:
    assert (await well(shell, "ledger", "findings")).startswith("✅")
    await shop.rows(
        """INSERT INTO bank_findings (provider, external_id, kind, minor, currency, what, found_at, seen_at)
           VALUES ('yookassa', 'x-1', 'unknown_here', 100, 'RUB', '1.00 RUB came in', now(), now()) RETURNING id"""
    )
    assert "1.00 RUB came in" in await ill(shell, "ledger", "findings")
    await shop.rows(
        """INSERT INTO bank_comparisons (provider, compared_at, theirs, ours, recovered)
           VALUES ('yookassa', '2026-03-01 04:00Z', 12, 11, 1) RETURNING provider"""
    )
    said = await ill(shell, "ledger", "findings")
    assert "yookassa · 2026-03-01 04:00 · 12 payments there, 11 here, 1 settled by it" in said
