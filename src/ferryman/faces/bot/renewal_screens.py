"""Screens about renewal: pure, like those in `screens`; and what renewal adds to two of them."""

from collections.abc import Collection
from dataclasses import replace

from ferryman.catalog.plan import Term
from ferryman.faces.bot.buttons import button, home_row
from ferryman.faces.bot.screens import Screen
from ferryman.flows.orders.offering import Offer
from ferryman.flows.renewals.consenting import Consent
from ferryman.kit.money import Money
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice

PAY, KEEP = "v1:pay:", "v1:keep:"
Row = tuple[Button, ...]


def renewal(voice: Voice, seen: Consent) -> Screen:
    """How it stands, and the one thing to do about it."""
    shown, ref = seen.subscription.snapshot, seen.subscription.ref
    named: dict[str, str | int] = {"icon": shown["icon"], "title": voice.pick(shown["title"])}
    rows = _deeds(voice, seen, confirm=True)
    back: Row = (button(voice, "back", f"v1:sub:{ref}"),)
    if seen.phase != "off":
        parts = (voice.html("renewal-active", **named), line(voice, seen), voice.html("renewal-active-note"))
        return Screen("\n\n".join(parts), Keyboard((*rows, back, home_row(voice))))
    text = voice.html("renewal-off", **named, until=voice.date(seen.subscription.ends_at))
    if seen.offer and seen.amount is not None:
        offer: dict[str, str | int] = {"by": seen.by, "way": seen.way, "days": seen.days}
        offer["amount"] = voice.money(seen.amount)
        text += f"\n\n{voice.html('renewal-offer', **offer)}"
    else:
        text += f"\n\n{voice.html('renewal-next-time')}"
    return Screen(text, Keyboard((*rows, back, home_row(voice))))


def line(voice: Voice, seen: Consent) -> str:
    """How it stands, in one line of HTML; "" when it is off."""
    if seen.phase == "off" or seen.amount is None or seen.on is None:
        return ""
    names = {"on": "renewal-line", "asks": "renewal-line-ask", "again": "renewal-line-again"}
    words: dict[str, str | int] = {
        "on": voice.date(seen.on),
        "amount": voice.money(seen.amount),
        "by": seen.by,
        "way": seen.way,
    }
    return voice.html(names.get(seen.phase, "renewal-line-busy"), **words)


def with_renewal(voice: Voice, screen: Screen, seen: Consent) -> Screen:
    """The screen of a subscription, with the line about its renewal and the button that changes it."""
    said = line(voice, seen)
    text = f"{screen.text}\n\n{said}" if said else screen.text
    rows = screen.keyboard.rows if screen.keyboard is not None else ()
    return replace(screen, text=text, keyboard=Keyboard((*rows[:-1], *_deeds(voice, seen, confirm=False), *rows[-1:])))


def with_choice(
    voice: Voice, screen: Screen, term: Term, offers: Collection[Offer], keeping: Collection[str], *, on: bool
) -> Screen:
    """The screen of the ways to pay, with the choice of whether it renews itself.

    `keeping` are the methods that can; where none can there is nothing to choose. `on`: it shall.
    """
    if not keeping:
        return screen
    rows = screen.keyboard.rows if screen.keyboard is not None else ()
    kept = tuple(tuple(_keeping(one, keeping) if on else one for one in row) for row in rows)
    name, leads = ("again-on", "term") if on else ("again-off", "again")
    switch = button(voice, name, f"v1:{leads}:{term.id}")
    text = screen.text
    costs = [voice.money(offer.again or offer.amount) for offer in offers if offer.method in keeping]
    if on and costs:
        # One amount for each currency: whoever ticks it agrees to what stands here.
        text += f"\n\n{voice.html('again-note', days=term.days, amount=' / '.join(dict.fromkeys(costs)))}"
    return replace(screen, text=text, keyboard=Keyboard((*kept[:-1], (switch,), *kept[-1:])))


def _keeping(one: Button, keeping: Collection[str]) -> Button:
    """The button of a way that keeps what it charges says so, and means it."""
    data = one.data or ""
    if not data.startswith(PAY) or data.removeprefix(PAY).split(":")[0] not in keeping:
        return one
    return replace(one, text=f"🔁 {one.text}", data=KEEP + data.removeprefix(PAY))


def _deeds(voice: Voice, seen: Consent, *, confirm: bool) -> tuple[Row, ...]:
    """`confirm`: on the screen that names the amount; elsewhere the button leads there first."""
    ref, amount = seen.subscription.ref, seen.amount or Money(0, "XTR")
    forget: tuple[Row, ...] = ()
    if confirm and seen.kept:
        forget = ((button(voice, "renewal-forget", f"v1:renewal-forget:{ref}"),),)
    if seen.phase == "off":
        on = f"v1:renewal-on:{ref}:{amount.minor}" if confirm else f"v1:renewal:{ref}"
        rows: tuple[Row, ...] = ((button(voice, "renewal-on", on),),) if seen.offer else ()
        return (*rows, *forget)
    off: Row = (button(voice, "renewal-off", f"v1:renewal-off:{ref}"),)
    if seen.phase != "asks":
        return (off, *forget)
    label = voice.plain("button-renewal-yes", amount=voice.money(amount))
    return ((Button(label, data=f"v1:renewal-yes:{ref}:{amount.minor}"),), off, *forget)
