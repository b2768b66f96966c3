"""Screens: pure functions from what is known to what is shown. They ask no database, no clock and no Telegram."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ferryman.catalog.plan import GIGABYTE, Plan, Term
from ferryman.catalog.pricing import Quote
from ferryman.faces.bot.buttons import button, home_row
from ferryman.fleet.keyring import KeyView
from ferryman.flows.orders.offering import FULL_PRICE, Offer
from ferryman.flows.orders.pricing import Counter, NoPrice
from ferryman.flows.payments.buying import Checkout
from ferryman.kit.money import Money
from ferryman.messaging.keys import key_keyboard, qr_png
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import LANGUAGE_NAMES, Voice
from ferryman.subscriptions.subscription import Subscription

# Telegram takes 4096 characters of text and about 100 buttons; these leave room for what stands around.
LONGEST_LIST = 3000
LONGEST_DESCRIPTION = 300
MOST_PLANS = 40
MOST_LOCATIONS = 30
BAR_CELLS = 10


@dataclass(frozen=True)
class Screen:
    """`text` is HTML; with a `photo` (PNG) it is the caption. `asks` names the question that the next words answer."""

    text: str
    keyboard: Keyboard | None = None
    photo: bytes | None = None
    asks: str = ""

    def after(self, line: str) -> "Screen":
        """The same screen with a line above it."""
        return replace(self, text=f"{line}\n\n{self.text}")


def home(voice: Voice, name: str, subscriptions: Sequence[Subscription], now: datetime) -> Screen:
    """`subscriptions` with the one that lasts longest first; the button says how many days are left of it."""
    buy = button(voice, "buy", "v1:buy")
    tail = (
        (button(voice, "help", "v1:help"),),
        (button(voice, "language", "v1:lang"), button(voice, "rules", "v1:rules")),
    )
    called = name.strip()[:64] or voice.plain("someone")
    if not subscriptions:
        rows = ((buy,), (button(voice, "subs", "v1:subs"),), *tail)
        return Screen(voice.html("home-new", name=called), Keyboard(rows))
    best = subscriptions[0]
    days, until = best.days_left(now), voice.date(best.ends_at)
    if days:
        text = voice.html("home-active", name=called, until=until, days=days)
        mine = Button(voice.plain("button-subs-days", days=days), data="v1:subs")
    else:
        text = voice.html("home-ended", name=called, until=until)
        mine = button(voice, "subs-ended", "v1:subs")
    return Screen(text, Keyboard(((mine,), (buy,), *tail)))


def plans(voice: Voice, on_sale: Sequence[Plan], currencies: tuple[str, ...], counter: Counter = FULL_PRICE) -> Screen:
    """Plans that have a price in one of `currencies`, each with its lowest for this customer."""
    rows: list[tuple[Button, ...]] = []
    text = voice.html("plans")
    for plan in on_sale[:MOST_PLANS]:
        quotes = [quote for _, quote in _priced(plan, currencies, counter)]
        if not quotes:
            continue
        same = [quote for quote in quotes if quote.total.currency == quotes[0].total.currency]
        amount = _quoted(voice, min(same, key=lambda quote: quote.total.minor))
        label = voice.plain("button-plan", icon=plan.icon, title=voice.pick(plan.title), amount=amount)
        rows.append((Button(label, data=f"v1:plan:{plan.id}"),))
        entry = f"\n\n{voice.html('plans-entry', **_plan_words(voice, plan))}"
        text += entry if len(text) + len(entry) <= LONGEST_LIST else ""
    if not rows:
        return Screen(voice.html("plans-none"), Keyboard((home_row(voice),)))
    return Screen(text, Keyboard((*rows, home_row(voice))))


def terms(voice: Voice, plan: Plan, currencies: tuple[str, ...], counter: Counter = FULL_PRICE) -> Screen:
    rows = [
        (Button(voice.plain("button-term", days=term.days, amount=_quoted(voice, quote)), data=f"v1:term:{term.id}"),)
        for term, quote in _priced(plan, currencies, counter)
    ]
    return Screen(
        voice.html("terms", **_plan_words(voice, plan)), Keyboard((*rows, (button(voice, "back", "v1:buy"),)))
    )


def methods(voice: Voice, term: Term, offers: Sequence[Offer], nonce: str) -> Screen:
    """`nonce` is new for every showing: a second press on this one is the same order, one on another is another."""
    if not offers:
        return Screen(voice.html("methods-none"), Keyboard((home_row(voice),)))
    rows = [
        (
            Button(
                voice.plain(
                    "button-method",
                    icon=offer.icon,
                    title=voice.pick(offer.title),
                    amount=price(voice, offer.amount, offer.was),
                ),
                data=f"v1:pay:{offer.method}:{term.id}:{nonce}",
            ),
        )
        for offer in offers
    ]
    text = voice.html("methods", icon=term.plan.icon, title=voice.pick(term.plan.title), days=term.days)
    return Screen(text, Keyboard((*rows, (button(voice, "back", f"v1:plan:{term.plan.id}"),))))


def checkout(voice: Voice, order: Checkout, back: str) -> Screen:
    """`back` is the data of the button that leads to the choice before."""
    if order.paid:
        return paid(voice, order.order_ref)
    if order.cancelled:
        return dropped(voice, order.order_ref)
    text = voice.html(
        "checkout" if order.pay_url else "checkout-wait",
        order_ref=order.order_ref,
        icon=order.icon,
        title=voice.pick(order.title),
        days=order.days,
        amount=price(voice, order.amount, order.was),
    )
    return Screen(text, _paying(voice, order.order_ref, order.pay_url, button(voice, "back", back)))


def paid(voice: Voice, order_ref: str) -> Screen:
    return order(voice, order_ref, "paid", None)


def dropped(voice: Voice, order_ref: str) -> Screen:
    """The customer does not want it any more."""
    return order(voice, order_ref, "dropped", None)


def contact(voice: Voice, back: str, *, wrong: bool = False) -> Screen:
    """Where the receipt is to go: an e-mail address or a phone number, to be typed."""
    asked = Screen(voice.html("contact"), Keyboard(((button(voice, "back", back),), home_row(voice))), asks="contact")
    return asked.after(voice.html("contact-wrong")) if wrong else asked


def paying_refused(voice: Voice, back: str) -> Screen:
    return Screen(voice.html("paying-refused"), Keyboard(((button(voice, "back", back),), home_row(voice))))


def order(voice: Voice, order_ref: str, state: str, pay_url: str | None) -> Screen:
    """`state`: paid, cancelled (the payment), dropped (the order), review, or anything else for "not yet"."""
    match state:
        case "paid":
            keyboard = Keyboard(((button(voice, "subs", "v1:subs"),), home_row(voice)))
        case "cancelled" | "dropped":
            keyboard = Keyboard(((button(voice, "buy", "v1:buy"),), home_row(voice)))
        case "review":
            keyboard = Keyboard((home_row(voice),))
        case _:
            state, keyboard = "open", _paying(voice, order_ref, pay_url, *home_row(voice))
    return Screen(voice.html(f"order-{state}", order_ref=order_ref), keyboard)


def no_subscriptions(voice: Voice) -> Screen:
    return Screen(voice.html("subs-none"), Keyboard(((button(voice, "buy", "v1:buy"),), home_row(voice))))


def subscriptions(voice: Voice, held: Sequence[Subscription], now: datetime) -> Screen:
    """A list to choose from."""
    rows = []
    for one in held[:MOST_PLANS]:
        icon, title = _named(voice, one)
        days = one.days_left(now)
        ended = voice.plain("button-sub-ended", icon=icon, title=title)
        label = voice.plain("button-sub", icon=icon, title=title, days=days) if days else ended
        rows.append((Button(label, data=f"v1:sub:{one.ref}"),))
    return Screen(voice.html("subs-many"), Keyboard((*rows, home_row(voice))))


def subscription(voice: Voice, one: Subscription, keys: Sequence[KeyView], now: datetime, renew: str) -> Screen:
    """`renew` is the data of the button that buys more of it."""
    icon, title = _named(voice, one)
    # Frozen time ends later with every day: shown is the end if it ran on from now.
    ends_at = one.ends_at + (now - one.clock(now))
    days, until, bar = one.days_left(now), voice.date(ends_at), _bar(one, now)
    again = button(voice, "renew", renew)
    if not days:
        text = voice.html("sub-ended", icon=icon, title=title, until=until, bar=bar)
        return Screen(text, Keyboard(((again,), home_row(voice))))
    text = voice.html(
        "sub-active",
        icon=icon,
        title=title,
        until=until,
        days=days,
        bar=bar,
        locations=_locations(voice, keys),
        limits=_limits(voice, one.traffic_bytes, one.devices),
    )
    rows = [button(voice, "key", f"v1:key:{one.ref}")]
    if one.places["rule"] == "one":
        rows.append(button(voice, "places", f"v1:places:{one.ref}"))
    rows += [again, button(voice, "rekey", f"v1:rekey:{one.ref}")]
    screen = Screen(text, Keyboard((*((row,) for row in rows), home_row(voice))))
    state = state_of(one)
    return screen.after(voice.html(f"sub-{state}")) if state else screen


def state_of(one: Subscription) -> str:
    """What keeps its key from working, or "": "disabled", "frozen", "replacing" or "exhausted"."""
    states = {
        "disabled": one.disabled_at,
        "frozen": one.frozen_at,
        "replacing": one.replacing_since,
        "exhausted": one.exhausted_at,
    }
    return next((state for state, since in states.items() if since is not None), "")


def key(voice: Voice, one: Subscription, link: str) -> Screen:
    icon, title = _named(voice, one)
    text = voice.html("key", icon=icon, title=title, until=voice.date(one.ends_at), link=link)
    return Screen(text, key_keyboard(voice, link, button(voice, "back", f"v1:sub:{one.ref}")), qr_png(link))


def help_(voice: Voice, contact: str) -> Screen:
    """`contact`: @name, an https link, other words, or nothing."""
    if not contact:
        return Screen(voice.html("help"), Keyboard(((button(voice, "subs", "v1:subs"),), home_row(voice))))
    text = f"{voice.html('help')}\n\n{voice.html('help-support', contact=contact)}"
    url = f"https://t.me/{contact[1:]}" if contact.startswith("@") else contact
    support = ((Button(voice.plain("button-support"), url=url),),) if url.startswith("https://") else ()
    return Screen(text, Keyboard(((button(voice, "subs", "v1:subs"),), *support, home_row(voice))))


def language(voice: Voice) -> Screen:
    rows = [(Button(name, data=f"v1:lang:{code}"),) for code, name in LANGUAGE_NAMES.items()]
    return Screen(voice.html("language-choice"), Keyboard((*rows, home_row(voice))))


def rules(voice: Voice) -> Screen:
    return Screen(voice.html("rules"), Keyboard((home_row(voice),)))


def banned(voice: Voice) -> Screen:
    return Screen(voice.html("banned"))


def _paying(voice: Voice, order_ref: str, pay_url: str | None, *below: Button) -> Keyboard:
    pay = Button(voice.plain("button-pay"), url=pay_url) if pay_url else None
    check = button(voice, "check", f"v1:check:{order_ref}")
    cancel = button(voice, "cancel", f"v1:cancel:{order_ref}")
    return Keyboard(tuple((one,) for one in (pay, check, cancel, *below) if one is not None))


def price(voice: Voice, amount: Money, was: Money | None) -> str:
    """ "299 ₽", or "299 ₽ instead of 399 ₽"."""
    if was is None:
        return voice.money(amount)
    return voice.plain("price-reduced", amount=voice.money(amount), was=voice.money(was))


def _quoted(voice: Voice, quote: Quote) -> str:
    return price(voice, quote.total, quote.base if quote.reduced else None)


def _priced(plan: Plan, currencies: tuple[str, ...], counter: Counter) -> list[tuple[Term, Quote]]:
    """Terms on sale with their prices, shortest first."""
    found = []
    for term in plan.terms:
        if term.active:
            with contextlib.suppress(NoPrice):
                found.append((term, counter.quote(term, currencies)))
    return found


def _plan_words(voice: Voice, plan: Plan) -> dict[str, str | int]:
    description = voice.pick(plan.description)
    short = description if len(description) <= LONGEST_DESCRIPTION else f"{description[: LONGEST_DESCRIPTION - 1]}…"
    limits = _limits(voice, plan.traffic_bytes, plan.devices)
    return {"icon": plan.icon, "title": voice.pick(plan.title), "description": short, "limits": limits}


def _limits(voice: Voice, traffic_bytes: int, devices: int) -> str:
    gigabytes = max(1, round(traffic_bytes / GIGABYTE))
    lines = (
        voice.plain("traffic-limited", gigabytes=gigabytes) if traffic_bytes else voice.plain("traffic-unlimited"),
        voice.plain("devices-limited", devices=devices) if devices else voice.plain("devices-unlimited"),
    )
    return "\n".join(lines)


def _named(voice: Voice, one: Subscription) -> tuple[str, str]:
    snapshot: Mapping[str, Any] = one.snapshot
    return snapshot["icon"], voice.pick(snapshot["title"])


def _bar(one: Subscription, now: datetime) -> str:
    """How much of it is left, in ten squares; anything that is left shows at least one."""
    whole, left = one.ends_at - one.starts_at, one.ends_at - one.clock(now)
    full = min(BAR_CELLS, max(1, round(BAR_CELLS * (left / whole)))) if left.total_seconds() > 0 and whole else 0
    return "🟩" * full + "⬜" * (BAR_CELLS - full)


def _locations(voice: Voice, keys: Sequence[KeyView]) -> str:
    if not keys:
        return voice.plain("locations-none")
    lines = [
        voice.plain("location-ready" if one.ready else "location-preparing", flag=one.flag, title=voice.pick(one.title))
        for one in keys[:MOST_LOCATIONS]
    ]
    if len(keys) > MOST_LOCATIONS:
        lines.append(voice.plain("locations-more", count=len(keys) - MOST_LOCATIONS))
    return "\n".join(lines)
