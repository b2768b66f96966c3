"""What presses about a key's place and its replacement lead to."""

import secrets
import string
from collections.abc import Awaitable, Callable

from ferryman.faces.bot import key_screens
from ferryman.faces.bot.press import Press
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit, theirs
from ferryman.fleet import withdrawing
from ferryman.flows.keys import replacing, switching
from ferryman.flows.keys.handling import Cause
from ferryman.flows.keys.replacing import CUSTOMERS_MAY_AGAIN_AFTER, TooSoon
from ferryman.flows.keys.switching import CannotSwitch
from ferryman.kit.errors import NotFound
from ferryman.subscriptions.subscription import Subscription

_NONCE = string.ascii_letters + string.digits


async def _places(visit: Visit, press: Press) -> Screen:
    ref = press.words["ref"]
    try:
        found = await switching.choices(visit.tools, visit.customer.id, ref)
    except CannotSwitch as error:
        raise NotFound(str(error)) from error
    return key_screens.places(visit.voice, found, visit.tools.clock.now())


async def _place(visit: Visit, press: Press) -> Screen:
    ref, code = press.words["ref"], press.words["code"]
    try:
        found = await switching.look(visit.tools, visit.customer.id, ref, code)
    except CannotSwitch as error:
        return await _not_now(visit, press, error)
    return key_screens.place(visit.voice, found, code, _nonce())


async def _switch(visit: Visit, press: Press) -> Screen:
    ref, code = press.words["ref"], press.words["code"]
    try:
        found = await switching.switch(visit.tools, visit.customer.id, ref, code, visit.tap)
    except CannotSwitch as error:
        return await _not_now(visit, press, error)
    return key_screens.places(visit.voice, found, visit.tools.clock.now())


async def _stay(visit: Visit, press: Press) -> Screen:
    try:
        found = await switching.stay(visit.tools, visit.customer.id, press.words["ref"])
    except CannotSwitch:
        return await _places(visit, press)
    return key_screens.places(visit.voice, found, visit.tools.clock.now())


async def _not_now(visit: Visit, press: Press, error: CannotSwitch) -> Screen:
    """The list as it is now, with a word of why."""
    if error.reason == "fixed":
        raise NotFound(str(error))
    now = visit.tools.clock.now()
    found = await switching.choices(visit.tools, visit.customer.id, press.words["ref"])
    return key_screens.places(visit.voice, found, now).after(
        key_screens.cannot_switch(visit.voice, error.reason, found, now)
    )


async def _rekey(visit: Visit, press: Press) -> Screen:
    one = await theirs(visit, press.words["ref"])
    if one.replacing_since is not None:
        return await replacement(visit, one)
    return key_screens.rekey(visit.voice, one, _nonce())


async def _rekeyed(visit: Visit, press: Press) -> Screen:
    one = await theirs(visit, press.words["ref"])
    cause = Cause(f"customer:{visit.customer.id}", tap=visit.tap)
    try:
        one = await replacing.replace(visit.tools, one.ref, cause, rest=CUSTOMERS_MAY_AGAIN_AFTER)
    except TooSoon:
        return key_screens.rekey(visit.voice, one, _nonce()).after(visit.voice.html("rekey-soon"))
    return await replacement(visit, one)


async def replacement(visit: Visit, one: Subscription) -> Screen:
    """How the replacement of a key stands."""
    async with visit.tools.db.unit() as session:
        waiting = await withdrawing.left(session, one.id, one.uuid)
    return key_screens.rekeying(visit.voice, one, waiting)


def _nonce() -> str:
    return "".join(secrets.choice(_NONCE) for _ in range(8))


PAGES: dict[str, Callable[[Visit, Press], Awaitable[Screen]]] = {
    "places": _places,
    "place": _place,
    "switch": _switch,
    "stay": _stay,
    "rekey": _rekey,
    "rekeyed": _rekeyed,
}
