"""Screens about prices: what comes off, promo codes, and a plan given in for another."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ferryman.catalog.discount import Discount
from ferryman.catalog.plan import Term
from ferryman.catalog.pricing import Quote
from ferryman.faces.bot.buttons import button, home_row
from ferryman.faces.bot.screens import MOST_PLANS, Screen, price
from ferryman.flows.orders.offering import Offer
from ferryman.kit.money import Money
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice
from ferryman.subscriptions.subscription import Subscription


def ask_for_code(voice: Voice) -> Screen:
    """A promo code is to be typed."""
    return Screen(
        voice.html("promo-ask"), Keyboard(((button(voice, "back", "v1:buy"),), home_row(voice))), asks="promo"
    )


def slow(voice: Voice, minutes: int) -> Screen:
    """Too many wrong codes: when to try again."""
    return Screen(voice.html("codes-slow", minutes=minutes), Keyboard((home_row(voice),)))


def refused(voice: Voice, reason: str) -> str:
    """Why a code does not count; `reason` as PromoRefused has it."""
    return voice.html(f"promo-refused-{reason}")


def counts(voice: Voice, promo: Discount) -> str:
    """Which code counts, and what it takes off."""
    reduction = promo.reduction()
    off = voice.money(reduction.fixed) if reduction.fixed is not None else f"{reduction.percent}%"
    return voice.html("promo-on", code=reduction.label, off=off)


def with_promo(voice: Voice, shown: Screen, promo: Discount | None) -> Screen:
    """The choice of plans, with the code that counts, or the button to type one."""
    choice = button(voice, "promo", "v1:promo") if promo is None else button(voice, "promo-off", "v1:nopromo")
    screen = _with(shown, choice)
    return screen if promo is None else screen.after(counts(voice, promo))


def with_upgrade(voice: Voice, shown: Screen, one: Subscription, now: datetime) -> Screen:
    """The screen of a subscription, with the button that changes its plan, where it can be changed."""
    still = (
        one.ended(now) or one.frozen_at is not None or one.disabled_at is not None or one.replacing_since is not None
    )
    return shown if still else _with(shown, button(voice, "upgrade", f"v1:up:{one.ref}"))


def _with(shown: Screen, added: Button) -> Screen:
    rows = shown.keyboard.rows if shown.keyboard is not None else ()
    return replace(shown, keyboard=Keyboard((*rows[:-1], (added,), *rows[-1:])))


def upgrades(voice: Voice, one: Subscription, worth: Sequence[Money], terms: Sequence[tuple[Term, Quote]]) -> Screen:
    """What a subscription may be given in for, with what is to be paid; `worth` is what is left of it."""
    rows = []
    for term, quote in terms[:MOST_PLANS]:
        words: dict[str, str | int] = {"icon": term.plan.icon, "title": voice.pick(term.plan.title), "days": term.days}
        label = voice.plain("button-upgrade-term", **words, amount=voice.money(quote.total))
        rows.append((Button(label, data=f"v1:upterm:{one.ref}:{term.id}"),))
    named = {"icon": one.snapshot["icon"], "title": voice.pick(one.snapshot["title"])}
    left = " + ".join(voice.money(money) for money in worth)
    text = voice.html("upgrade", **named, worth=left) if left else voice.html("upgrade-nothing-left", **named)
    return Screen(text, Keyboard((*rows, (button(voice, "back", f"v1:sub:{one.ref}"),), home_row(voice))))


def upgrade_refused(voice: Voice, reason: str, ref: str) -> Screen:
    """`reason` as UpgradeRefused has it, or "nothing": there is no other plan to be had."""
    return Screen(
        voice.html(f"upgrade-refused-{reason}"), Keyboard(((button(voice, "back", f"v1:sub:{ref}"),), home_row(voice)))
    )


def upgrade_methods(voice: Voice, ref: str, term: Term, offers: Sequence[Offer], nonce: str) -> Screen:
    """The ways to pay for it; `nonce` as in `screens.methods`."""
    if not offers:
        return Screen(voice.html("methods-none"), Keyboard((home_row(voice),)))
    rows = []
    for offer in offers:
        amount = price(voice, offer.amount, offer.was)
        label = voice.plain("button-method", icon=offer.icon, title=voice.pick(offer.title), amount=amount)
        rows.append((Button(label, data=f"v1:upp:{offer.method}:{ref}:{term.id}:{nonce}"),))
    text = voice.html("upgrade-methods", icon=term.plan.icon, title=voice.pick(term.plan.title), days=term.days)
    return Screen(text, Keyboard((*rows, (button(voice, "back", f"v1:up:{ref}"),))))
