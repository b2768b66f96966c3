"""Renewal in the bot: a tick on the way to paying, a line under the subscription, and one press to stop it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.billing.provider import Way
from ferryman.catalog.plan import Plan, Price, Term
from ferryman.faces.bot import pages, renewal_screens, screens
from ferryman.faces.bot.press import NotAPress, parse
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.orders.offering import Offer
from ferryman.flows.renewals.consenting import Consent
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money
from ferryman.messaging.texts import LANGUAGE_NAMES, Voice, voice
from ferryman.people.customer import Customer
from ferryman.subscriptions.subscription import Subscription
from ferryman_sandbox.telegram.entities import formatted
from tests.support.subscriber import Subscriber

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ODD = '<b>&"🙂'
RUB = Money(19900, "RUB")
REF = "abcdefghjk"


def subscription() -> Subscription:
    shown = {"icon": "⛵", "title": {"ru": ODD, "en": ODD}, "places": {"rule": "all"}}
    return Subscription(
        ref=REF, snapshot=shown, traffic_bytes=0, devices=3, starts_at=NOW, ends_at=NOW + timedelta(days=12)
    )


def consent(phase: str = "on", **more: Any) -> Consent:
    fields = {"amount": RUB, "on": NOW, "by": "kept", "way": ODD, "days": 30, "kept": True}
    return Consent(subscription(), phase, **{**fields, **more})


def term() -> Term:
    made = Plan(id=1, code="standard", icon="⛵", title={"en": ODD}, description={}, traffic_bytes=0, devices=0)
    made.terms.append(Term(id=12, days=30, active=True, prices=[Price(currency="RUB", minor=19900)]))
    return made.terms[0]


def paying(speak: Voice, keeping: list[str], *, on: bool) -> Screen:
    offers = [Offer(name, "💳", {"en": name}, RUB, Way("", "💳", {"en": name})) for name in ("cards.bank", "coins")]
    shown = screens.methods(speak, term(), offers, "aB3dE6gH")
    return renewal_screens.with_choice(speak, shown, term(), offers, keeping, on=on)


SEEN: list[Consent] = [
    *(consent(phase) for phase in ("on", "asks", "again", "busy")),
    consent(by="stars", amount=Money(150, "XTR"), kept=False),
    consent("off", offer="kept"),
    consent("off", offer="balance", by="balance", kept=False),
    consent("off", amount=None, by="", way="", kept=False),
]


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: f"{seen.phase}-{seen.by}")
@pytest.mark.parametrize("draw", ["own", "under the subscription"])
def test_every_screen_is_one_that_telegram_takes(seen: Consent, language: str, draw: str) -> None:
    speak = voice(language)
    under = screens.subscription(speak, seen.subscription, [], NOW, "v1:buy")
    screen = renewal_screens.renewal(speak, seen) if draw == "own" else None
    screen = screen or renewal_screens.with_renewal(speak, under, seen)
    assert 1 <= len(formatted(screen.text, "html").text) <= 4096
    assert "{" not in screen.text
    assert screen.keyboard is not None
    for button in (button for row in screen.keyboard.rows for button in row):
        assert button.data is not None
        assert len(button.data.encode()) <= 64
        assert parse(button.data)


def data(screen: Screen) -> list[str]:
    assert screen.keyboard is not None
    return [button.data or "" for row in screen.keyboard.rows for button in row]


def test_the_line_says_when_how_much_and_with_what() -> None:
    line = renewal_screens.line(voice("en"), consent(way="Card *4477"))
    assert formatted(line, "html").text == "🔁 Renews on November 22, 2026 · ₽199 · 💳 Card *4477"
    assert renewal_screens.line(voice("en"), consent("off")) == ""


@pytest.mark.parametrize(
    ("phase", "more", "buttons"),
    [
        ("on", {}, [f"v1:renewal-off:{REF}"]),
        ("busy", {}, [f"v1:renewal-off:{REF}"]),
        ("asks", {}, [f"v1:renewal-yes:{REF}:19900", f"v1:renewal-off:{REF}"]),
        ("off", {"offer": "kept"}, [f"v1:renewal:{REF}"]),
        ("off", {}, []),
    ],
)
def test_a_subscription_has_one_press_to_stop_it(phase: str, more: dict[str, Any], buttons: list[str]) -> None:
    before = screens.subscription(voice("en"), subscription(), [], NOW, "v1:buy")
    after = renewal_screens.with_renewal(voice("en"), before, consent(phase, **more))
    assert [one for one in data(after) if "renewal" in one] == buttons
    assert data(after)[-1] == "v1:home"


def test_the_choice_stands_only_where_something_can_be_kept() -> None:
    assert not [one for one in data(paying(voice("en"), [], on=False)) if one.startswith("v1:again")]
    off = data(paying(voice("en"), ["cards.bank"], on=False))
    assert off == ["v1:pay:cards.bank:12:aB3dE6gH", "v1:pay:coins:12:aB3dE6gH", "v1:again:12", "v1:plan:1"]


def test_chosen_it_changes_the_buttons_that_can_keep_and_says_what_it_will_cost() -> None:
    on = paying(voice("en"), ["cards.bank"], on=True)
    assert data(on) == ["v1:keep:cards.bank:12:aB3dE6gH", "v1:pay:coins:12:aB3dE6gH", "v1:term:12", "v1:plan:1"]
    assert "₽199" in on.text


@pytest.mark.parametrize("bad", ["v1:renewal-on:abc", "v1:renewal-yes:abc:-1", "v1:renewal-on:abc:0", "v1:again:x"])
def test_no_amount_is_taken_from_anything_but_a_number(bad: str) -> None:
    with pytest.raises(NotAPress):
        parse(bad)


# In a shop.


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    made = Subscriber(tools)
    await made.open()
    return made


Press = Callable[..., Any]


@pytest.fixture
def press(anna: Subscriber) -> Press:
    async def pressed(said: str, tap: str = "a-press") -> Screen:
        async with anna.tools.db.unit() as session:
            customer = await session.get_one(Customer, anna.customer_id)
        return await pages.page(Visit(anna.tools, customer, tap=tap), parse(said))

    return pressed


async def test_nothing_is_ticked_until_it_is_pressed(anna: Subscriber, press: Press) -> None:
    shown = data(await press(f"v1:term:{anna.term_id}"))
    assert f"v1:again:{anna.term_id}" in shown
    assert not [one for one in shown if one.startswith("v1:keep")]
    ticked = data(await press(f"v1:again:{anna.term_id}"))
    assert [one.split(":")[2] for one in ticked if one.startswith("v1:keep")] == ["cards", "repeats"]
    await press(next(one for one in ticked if one.startswith("v1:keep:cards")))
    assert await anna.value("SELECT request ->> 'keep' FROM payments") == "true"
    await press(next(one for one in shown if one.startswith("v1:pay:cards")), tap="another")
    assert await anna.value("SELECT request ->> 'keep' FROM payments ORDER BY id DESC LIMIT 1") == "false"


async def test_a_customer_stops_it_and_takes_it_up_again(anna: Subscriber, press: Press) -> None:
    await anna.buys()
    ref = (await anna.subscription()).ref
    assert "Card *4477" in (await press(f"v1:sub:{ref}")).text
    off = await press(f"v1:renewal-off:{ref}")
    assert f"v1:renewal-on:{ref}:19900" in data(off)
    assert (await anna.agreement()).active is False
    stale = await press(f"v1:renewal-on:{ref}:100")
    assert "price has changed" in stale.text
    assert (await anna.agreement()).active is False
    await press(f"v1:renewal-on:{ref}:19900")
    assert (await anna.agreement()).active
    forgotten = await press(f"v1:renewal-forget:{ref}")
    assert "next time you pay" in forgotten.text
    assert "did not work" in (await press(f"v1:renewal-on:{ref}:19900")).text


async def test_somebody_elses_subscription_is_nobodys(anna: Subscriber, press: Press) -> None:
    for verb in ("renewal:{}", "renewal-off:{}", "renewal-on:{}:1", "renewal-yes:{}:1", "renewal-forget:{}"):
        assert "no such subscription" in (await press("v1:" + verb.format("abcdefghjk"))).text
