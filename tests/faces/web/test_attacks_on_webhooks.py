"""Somebody who knows the webhook address, and somebody with a client of their own making, mean harm."""

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from ferryman.billing import inbox
from ferryman.billing.methods import Method
from ferryman.billing.providers.cryptopay import SIGNATURE
from ferryman.billing.providers.cryptopay import signature as crypto_signature
from ferryman.faces.bot import pages
from ferryman.faces.bot.press import NotAPress, parse
from ferryman.faces.bot.visit import Visit
from ferryman.faces.cli.tables import harmless
from ferryman.flows.orders.offering import NotForSale
from ferryman.flows.payments import banking, buying, settling, ways
from ferryman.flows.tools import Tools
from ferryman.kit.errors import NotFound, Refused
from ferryman_sandbox.weather import Fault
from ferryman_sandbox.world.recipe import Addresses, Secrets, hook_url
from tests.billing.providers.recorder import Scripted, recording
from tests.faces.web.conftest import Site
from tests.support.chat import until
from tests.support.shop import Town, notification

TOKEN = "12345:AAof_the_attacked_app"
BOT_TOKEN = "123456:AAF-token-of-the-attacked-bot-000000"
GRANTS = "SELECT count(*) FROM grants"
EVENTS = "SELECT provider, event, verdict, repeats FROM webhook_events ORDER BY id"


async def set_up(tools: Tools, name: str, **config: Any) -> None:
    async with tools.db.unit() as session:
        session.add(Method(name=name, enabled=True, position=9, sealed_config=tools.vault.seal(config)))


def crypto_update(invoice: int, token: str = TOKEN, **more: Any) -> tuple[bytes, dict[str, str]]:
    payload = {"invoice_id": invoice, "status": "paid", "payload": "ours"} | more
    body = json.dumps({"update_type": "invoice_paid", "payload": payload}).encode()
    return body, {SIGNATURE: crypto_signature(token, body)}


# Who knows the address of the webhooks.


async def test_a_forged_word_of_the_bank_grants_nothing(shop: Town, site: Site) -> None:
    unpaid = shop.payment_of(await shop.order(await shop.customer()))
    told = {**unpaid, "status": "succeeded", "paid": True, "amount": {"value": "0.01", "currency": "RUB"}}
    assert (await site.post(site.hook, notification(told))).status == 200
    await shop.work()
    assert await shop.value(GRANTS) == 0


async def test_a_payment_that_names_somebody_elses_ref_pays_nothing_for_them(shop: Town, site: Site) -> None:
    """The event says so, the bank does not."""
    mine = shop.pay(await shop.order(await shop.customer(7)))
    await site.post(site.hook, notification(mine))
    await shop.work()
    theirs = shop.payment_of(await shop.order(await shop.customer(8)))
    forged = {**mine, "metadata": theirs["metadata"], "status": "waiting_for_capture"}
    await site.post(site.hook, notification(forged, "payment.waiting_for_capture"))
    await shop.work()
    assert await shop.value(GRANTS) == 1
    assert await shop.value("SELECT count(*) FROM orders WHERE state = 'open'") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": {"value": "199.00", "currency": "UZS"}},
        {"amount": {"value": "198.99", "currency": "RUB"}},
        {"test": True},
        {"metadata": {}},
        {"metadata": {"payment_id": ["ours"]}},
        {"metadata": {"payment_id": "a\0b"}},
    ],
    ids=["as many of another coin", "a kopeck less", "play money", "no ref", "a list", "nothing storable"],
)
async def test_money_that_is_not_what_was_asked_for_grants_nothing(
    shop: Town, site: Site, changes: dict[str, Any]
) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.rewrite(paid, **changes)
    assert (await site.post(site.hook, notification(paid))).status == 200
    await shop.work()
    ((_, _, verdict, _),) = await shop.rows(EVENTS)
    assert verdict in ("needs_review", "unknown_payment", "money_without_order")
    assert await shop.value(GRANTS) == 0
    await banking.compare(shop.tools, "yookassa")


async def test_the_same_webhook_over_days_grants_once_and_its_row_does_not_grow(shop: Town, site: Site) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    for _ in range(inbox.MOST_LINES):
        assert (await site.post(site.hook, notification(paid))).status == 200
    await shop.work()
    shop.tools.clock.advance(days=40)  # type: ignore[attr-defined]
    await site.post(site.hook, notification(paid))
    await shop.work()
    ((trace,),) = await shop.rows("SELECT trace FROM webhook_events")
    assert len(trace) == inbox.MOST_LINES
    assert (trace[0]["what"], trace[-1]["what"]) == ("kept", "already_settled")
    assert await shop.rows(EVENTS) == [("yookassa", "payment.succeeded", "already_settled", inbox.MOST_LINES)]
    assert await shop.value(GRANTS) == 1


async def test_made_up_ids_that_the_bank_refuses_are_asked_about_once(shop: Town, site: Site) -> None:
    shop.bank.weather.add(Fault("status", route="payments/made-up", times=-1, status=400, body={"type": "error"}))
    for number in range(5):
        await site.post(site.hook, notification({"id": f"made-up-{number}", "status": "succeeded"}))
    await shop.work()
    asked = sum(shop.bank.weather.hits.values())
    assert {verdict for _, _, verdict, _ in await shop.rows(EVENTS)} == {"refused_by_provider"}
    for _ in range(3):
        await shop.later(minutes=6)
    assert sum(shop.bank.weather.hits.values()) == asked


async def test_credentials_that_are_wrong_do_not_make_an_event_final(shop: Town, site: Site) -> None:
    paid = shop.pay(await shop.order(await shop.customer()))
    shop.bank.weather.add(Fault("status", route="payments/", times=1, status=401, body={"type": "error"}))
    await site.post(site.hook, notification(paid))
    await shop.work()
    assert await shop.value(GRANTS) == 0
    await shop.later(minutes=6)
    assert await shop.value(GRANTS) == 1


async def test_stars_cannot_be_told_over_http(shop: Town, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.tools.settings, "telegram_token", SecretStr(BOT_TOKEN))
    order = await shop.order(await shop.customer())
    paid = {"telegram_payment_charge_id": "x", "currency": "XTR", "total_amount": 1, "invoice_payload": order.order_ref}
    body = json.dumps({"payer": 7, "date": int(time.time()), "successful_payment": paid})
    for _ in ("not set up", "set up"):
        answer = await site.post(site.hook_of("stars"), body)
        assert (answer.status, answer.body) == (404, b"")
        if not await shop.value("SELECT count(*) FROM payment_methods WHERE name = 'stars'"):
            await set_up(shop.tools, "stars")
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


@pytest.mark.parametrize("name", ["balance", "gift", "manual", "nobody", "..", "yookassa%00", "YooKassa"])
async def test_what_takes_no_webhooks_has_no_address(shop: Town, site: Site, name: str) -> None:
    assert (await site.post(site.hook_of(name), b"{}")).status in (404, 405)
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_what_another_app_has_signed_is_turned_away_and_the_sender_hears_yes(shop: Town, site: Site) -> None:
    await set_up(shop.tools, "cryptopay", token=TOKEN, api_base="http://127.0.0.1:9/api")
    hook = site.hook_of("cryptopay")
    for body, headers in (crypto_update(1, "12345:AAof_another_app"), (crypto_update(1)[0], {})):
        assert (await site.post(hook, body, headers=headers)).status == 200
    body, headers = crypto_update(1)
    assert (await site.post(hook, body.replace(b": 1,", b": 2,"), headers=headers)).status == 200
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


@pytest.mark.parametrize("status", [200, 301, 302, 401, 403])
async def test_nothing_makes_us_answer_coingate_with_what_ends_its_callbacks(
    shop: Town, site: Site, status: int
) -> None:
    async with recording() as api:
        api.say(Scripted(status, {}))
        await set_up(shop.tools, "coingate", api_token="t", api_base=f"{api.url}/v2")
        hook = site.hook_of("coingate")
        for path, body in (
            (hook, b""),
            (hook, b"id=1&order_id=x&status=paid&token=x"),
            (hook, b"id=1&id=2"),
            (hook, b'{"id":[1]}'),
            (hook, b"\xff"),
            (f"{hook}/", b"x"),
            (f"{hook}x", b"x"),
            (hook, b"x" * 300_000),
        ):
            assert (await site.post(path, body)).status in (200, 404, 413)


async def test_one_bank_that_hangs_leaves_room_for_another(
    shop: Town, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.tools.settings, "worker_concurrency", 4)
    async with recording() as api:
        api.say(Scripted(200, {"ok": True, "result": {"items": []}}))
        await set_up(shop.tools, "cryptopay", token=TOKEN, api_base=f"{api.url}/api")
        shop.bank.weather.add(Fault("hang", route="payments/", times=-1, seconds=60))
        for number in range(8):
            await site.post(site.hook, notification({"id": f"hangs-{number}", "status": "succeeded"}))
        stopping = asyncio.Event()
        working = asyncio.create_task(shop.tools.jobs.run(concurrency=4, stopping=stopping))
        try:
            await until(lambda: _hits(shop, 3), "the bank's being asked")
            body, headers = crypto_update(5)
            await site.post(site.hook_of("cryptopay"), body, headers=headers)
            await until(lambda: _judged(shop, "cryptopay"), "the other bank's answer")
        finally:
            stopping.set()
            shop.bank.weather.clear()
            for server in shop.servers[:1]:
                await server.stop()
            await working


async def _hits(shop: Town, count: int) -> bool:
    return sum(shop.bank.weather.hits.values()) >= count


async def _judged(shop: Town, provider: str) -> bool:
    return bool(
        await shop.value("SELECT count(*) FROM webhook_events WHERE provider = :p AND verdict IS NOT NULL", p=provider)
    )


# Who stands outside.


async def test_a_crowd_at_the_open_door_takes_one_connection_of_the_database(site: Site, tools: Tools) -> None:
    held: list[int] = []

    async def knock() -> int:
        answer = await site.get("/readyz")
        held.append(tools.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return answer.status

    assert set(await asyncio.gather(*(knock() for _ in range(60)))) == {200}
    assert max(held) <= 1


def test_an_events_contents_cannot_command_the_terminal_that_shows_them() -> None:
    nasty = "\x1b]0;owned\x07 \x9b2J \x7f \u202egnp \r over \u200b a\tb\nц 🚀"
    shown = harmless(nasty)
    assert all(sign.isprintable() or sign in "\n\t" for sign in shown)
    assert shown.endswith("a\tb\nц 🚀")
    assert "\\x1b]0;owned\\x07" in shown


# A client of their own making.


async def visit_of(shop: Town, telegram_id: int = 7) -> Visit:
    return Visit(shop.tools, await shop.customer(telegram_id), tap=f"tap-{telegram_id}")


async def test_somebody_elses_order_is_not_there(shop: Town) -> None:
    theirs = await shop.order(await shop.customer(7))
    visit = await visit_of(shop, 8)
    with pytest.raises(NotFound):
        await buying.check(shop.tools, visit.customer.id, theirs.order_ref)
    shown = await pages.page(visit, parse(f"v1:check:{theirs.order_ref}"))
    assert theirs.order_ref not in shown.text
    assert shown.keyboard is not None
    assert not [button for row in shown.keyboard.rows for button in row if button.url]


@pytest.mark.parametrize(
    "data",
    [
        "v1:pay:yookassa:9999999999999999999",
        "v1:pay:yookassa:-1",
        "v1:pay:yookassa:１",
        "v1:pay:yookassa:1:" + "x" * 13,
        "v1:pay:../x:1",
        "v1:check:a b",
        "v1:check:" + "x" * 41,
        "v1:check:x\0",
        "v1:home\n",
        "v1:pay:yookassa.sbp.x:1",
        "v2:home",
    ],
)
def test_a_press_that_no_button_makes_is_none(data: str) -> None:
    with pytest.raises(NotAPress):
        parse(data)


@pytest.mark.parametrize("data", ["v1:pay:yookassa.sbp:999999999999999999", "v1:term:999999999999999999"])
async def test_a_term_beyond_all_terms_is_not_for_sale(shop: Town, data: str) -> None:
    await pages.page(await visit_of(shop), parse(data))
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_a_way_that_is_off_and_a_provider_that_is_off_sell_nothing(shop: Town) -> None:
    customer, term = await shop.customer(), await shop.term()
    await ways.dress(shop.tools, "yookassa", "sbp", enabled=False)
    for method in ("yookassa.sbp", "yookassa.nothing", "coingate", "manual", "balance"):
        with pytest.raises(NotForSale):
            await buying.begin(shop.tools, buying.Wish(customer.id, term, method, f"tap-{method}"))
    await shop.rows("UPDATE payment_methods SET enabled = false RETURNING name")
    with pytest.raises(NotForSale):
        await buying.begin(shop.tools, buying.Wish(customer.id, term, "yookassa.bank_card", "tap"))
    assert await shop.value("SELECT count(*) FROM orders") == 0


async def test_who_places_orders_without_end_uses_up_nobodys_quota(shop: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some providers take so many orders an hour from all customers together."""
    monkeypatch.setattr(buying, "MOST_UNPAID", 4)
    greedy = await shop.customer(7)
    for _ in range(4):
        await shop.order(greedy, tap="")
    with pytest.raises(Refused, match="many orders"):
        await shop.order(greedy)
    assert len(list(shop.bank.store.all("payment"))) == 4
    await shop.order(await shop.customer(8))
    # One that is paid counts no more, and neither does one of an hour ago.
    shop.bank.shop.pay(next(kept["object"]["id"] for _, kept in shop.bank.store.all("payment")))
    await shop.later(seconds=11)
    await shop.order(greedy)
    with pytest.raises(Refused):
        await shop.order(greedy)
    shop.tools.clock.advance(hours=1, seconds=1)  # type: ignore[attr-defined]
    await shop.order(greedy)


async def test_pressing_check_asks_for_as_long_as_a_person_waits_and_no_longer(
    shop: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen who press it at a bank that hangs would otherwise keep the bot from everybody for half a minute."""
    monkeypatch.setattr(settling, "PATIENCE_SECONDS", 0.3)
    customer = await shop.customer()
    order = await shop.order(customer)
    shop.bank.weather.add(Fault("hang", route="payments/", times=-1, seconds=60))
    began = time.monotonic()
    assert await buying.check(shop.tools, customer.id, order.order_ref) == "waiting"
    assert time.monotonic() - began < 20
    shop.bank.weather.clear()
    shop.pay(order)
    assert await buying.check(shop.tools, customer.id, order.order_ref) == "paid"


async def test_what_one_provider_lets_out_opens_no_others_address(shop: Town, site: Site) -> None:
    await set_up(shop.tools, "cryptopay", token=TOKEN, api_base="http://127.0.0.1:9/api")
    leaked = site.tools.hook_key("yookassa")
    body, headers = crypto_update(1)
    for path in (f"/hooks/cryptopay/{leaked}", f"/hooks/cryptopay/{site.tools.hook_secret}"):
        assert (await site.post(path, body, headers=headers)).status == 404
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0
    assert (await site.post(site.hook_of("cryptopay"), body, headers=headers)).status == 200
    assert await shop.value("SELECT count(*) FROM webhook_events") == 1


def test_every_provider_has_an_address_of_its_own_and_none_holds_the_secret_behind_them(tools: Tools) -> None:
    keys = {name: tools.hook_key(name) for name in tools.providers}
    assert len(set(keys.values())) == len(keys)
    for key in keys.values():
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", key)
        assert tools.hook_secret not in key
    other = replace(tools, hook_secret=tools.hook_secret + "x")
    assert not set(keys.values()) & {other.hook_key(name) for name in keys}


def test_the_sandbox_derives_the_same_addresses_by_itself(tools: Tools) -> None:
    there = Addresses("", "", "", {}, tools.settings.base_url)
    ours = Secrets("", "", {}, "", tools.hook_secret)
    for name in tools.providers:
        assert hook_url(there, ours, name) == tools.hook_url(name)
