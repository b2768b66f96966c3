"""Screens about a key's place and its replacement: pure, like those in `screens`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ferryman.faces.bot.buttons import button, home_row
from ferryman.faces.bot.screens import MOST_LOCATIONS, Screen
from ferryman.fleet.places import Place
from ferryman.fleet.withdrawing import Left
from ferryman.flows.keys.switching import Choices
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import Voice
from ferryman.subscriptions.subscription import Subscription

# A place is called busy, and nearly full, from these shares of its room on.
BUSY, NEARLY_FULL = 0.6, 0.85


def places(voice: Voice, found: Choices, now: datetime) -> Screen:
    """What there is to choose from, or how the switch that goes on stands."""
    if found.phase != "settled":
        return switching(voice, found)
    ref, icon, title = _named(voice, found.subscription)
    rows = [(_place_button(voice, found, one),) for one in found.places[:MOST_LOCATIONS]]
    text = voice.html("places", icon=icon, title=title, here=_called(voice, found.place(found.current)))
    return Screen(
        f"{text}\n\n{_when(voice, found, now)}",
        Keyboard((*rows, (button(voice, "back", f"v1:sub:{ref}"),))),
    )


def place(voice: Voice, found: Choices, code: str, nonce: str) -> Screen:
    """Asks whether to switch. `nonce` is new for every showing: a second press on this one is the same switch."""
    ref = found.subscription.ref
    text = voice.html(
        "place-sure" if found.every_hours else "place-sure-any-time",
        here=_called(voice, found.place(found.current)),
        there=_called(voice, found.place(code)),
        again=_hours(voice, found.every_hours),
    )
    sure = button(voice, "switch", f"v1:switch:{ref}:{code}:{nonce}")
    return Screen(text, Keyboard(((sure,), (button(voice, "back", f"v1:places:{ref}"),))))


def switching(voice: Voice, found: Choices) -> Screen:
    """How a switch stands; the message is edited with every press on "refresh"."""
    ref, there = found.subscription.ref, _called(voice, found.place(found.current))
    text = voice.html(f"switching-{found.phase}", there=there, nodes=_nodes(voice, found.waiting))
    look = button(voice, "look", f"v1:places:{ref}")
    stay = (button(voice, "stay", f"v1:stay:{ref}"),) if found.phase in ("closing", "held") else ()
    return Screen(text, Keyboard(tuple(row for row in ((look,), stay, home_row(voice)) if row)))


def cannot_switch(voice: Voice, reason: str, found: Choices, now: datetime) -> str:
    """Why not, in one line."""
    left = _until(voice, found.next_at - now) if found.next_at else ""
    return voice.html(f"unswitched-{reason}", left=left)


def rekey(voice: Voice, one: Subscription, nonce: str) -> Screen:
    """Asks whether to replace the key."""
    ref, icon, title = _named(voice, one)
    sure = button(voice, "rekeyed", f"v1:rekeyed:{ref}:{nonce}")
    return Screen(
        voice.html("rekey-sure", icon=icon, title=title),
        Keyboard(((sure,), (button(voice, "back", f"v1:sub:{ref}"),))),
    )


def rekeying(voice: Voice, one: Subscription, waiting: Sequence[Left]) -> Screen:
    """How a replacement stands."""
    ref, _, _ = _named(voice, one)
    silent = [left for left in waiting if left.failures]
    if silent:
        text = voice.html("rekeying-held", nodes=_nodes(voice, silent))
    else:
        text = voice.html("rekeying", count=len(waiting))
    return Screen(text, Keyboard(((button(voice, "look", f"v1:key:{ref}"),), home_row(voice))))


def _place_button(voice: Voice, found: Choices, one: Place) -> Button:
    ref, name = found.subscription.ref, _called(voice, one)
    if one.code == found.current:
        return Button(voice.plain("button-place-here", place=name), data=f"v1:places:{ref}")
    return Button(voice.plain(f"button-{_busy(one)}", place=name), data=f"v1:place:{ref}:{one.code}")


def _busy(one: Place) -> str:
    if not one.open:
        return "place-full"
    return "place-free" if one.load < BUSY else "place-busy" if one.load < NEARLY_FULL else "place-tight"


def _when(voice: Voice, found: Choices, now: datetime) -> str:
    if found.next_at is not None:
        return voice.html("places-wait", left=_until(voice, found.next_at - now))
    if found.every_hours:
        return voice.html("places-every", hours=_hours(voice, found.every_hours))
    return voice.html("places-any-time")


def _until(voice: Voice, left: timedelta) -> str:
    """ "5 hours", or "12 minutes" in the last hour; rounded up, so that it is true when the time has come."""
    minutes = max(1, -(-int(left.total_seconds()) // 60))
    return voice.plain("minutes", minutes=minutes) if minutes < 60 else _hours(voice, -(-minutes // 60))


def _hours(voice: Voice, hours: int) -> str:
    return voice.plain("hours", hours=hours)


def _called(voice: Voice, one: Place | None) -> str:
    return f"{one.flag} {voice.pick(one.title)}".strip() if one is not None else "🌐"


def _nodes(voice: Voice, waiting: Sequence[Left]) -> str:
    """Each place once, however many of its nodes are silent."""
    return " · ".join(dict.fromkeys(f"{one.flag} {voice.pick(one.title)}".strip() for one in waiting))


def _named(voice: Voice, one: Subscription) -> tuple[str, str, str]:
    return one.ref, one.snapshot["icon"], voice.pick(one.snapshot["title"])
