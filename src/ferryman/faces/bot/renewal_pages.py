"""What presses about renewal lead to."""

from collections.abc import Awaitable, Callable

from ferryman.faces.bot import renewal_screens
from ferryman.faces.bot.press import Press
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.orders.offering import Offer
from ferryman.flows.renewals import agreeing, consenting
from ferryman.flows.renewals.consenting import Consent, PriceChanged
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import NotFound, Refused

_log = log.get("bot")

Verb = Callable[[Tools, int, str, int], Awaitable[Consent]]


async def _renewal(visit: Visit, press: Press) -> Screen:
    seen = await consenting.look(visit.tools, visit.customer.id, press.words["ref"])
    return renewal_screens.renewal(visit.voice, seen)


async def _off(visit: Visit, press: Press) -> Screen:
    before = await consenting.look(visit.tools, visit.customer.id, press.words["ref"])
    seen = await consenting.switch_off(visit.tools, visit.customer.id, press.words["ref"])
    screen = renewal_screens.renewal(visit.voice, seen)
    return screen.after(visit.voice.html("renewal-in-flight")) if before.phase == "busy" else screen


async def _forget(visit: Visit, press: Press) -> Screen:
    seen = await consenting.forget(visit.tools, visit.customer.id, press.words["ref"])
    return renewal_screens.renewal(visit.voice, seen)


async def _on(visit: Visit, press: Press) -> Screen:
    return await _agreed(visit, press, consenting.switch_on)


async def _yes(visit: Visit, press: Press) -> Screen:
    return await _agreed(visit, press, consenting.agree_to)


async def _agreed(visit: Visit, press: Press, verb: Verb) -> Screen:
    """A yes to the amount on the button; the screen as it is now, with a word of why, when that is not so any more."""
    try:
        seen = await verb(visit.tools, visit.customer.id, press.words["ref"], press.number("minor"))
    except NotFound:
        raise
    except PriceChanged:
        return (await _renewal(visit, press)).after(visit.voice.html("renewal-price-changed"))
    except Refused as error:
        _log.warning("renewal_not_switched_on", customer=visit.customer.id, why=str(error))
        return (await _renewal(visit, press)).after(visit.voice.html("renewal-cannot"))
    return renewal_screens.renewal(visit.voice, seen)


def keeping(tools: Tools, offers: list[Offer], days: int) -> list[str]:
    """The methods among these that can renew a term of so many days by themselves."""
    return [
        offer.method
        for offer in offers
        if agreeing.keeps(
            tools.providers[offer.method.partition(".")[0]], offer.way, days, reduced=offer.was is not None
        )
    ]


PAGES: dict[str, Callable[[Visit, Press], Awaitable[Screen]]] = {
    "renewal": _renewal,
    "renewal-off": _off,
    "renewal-on": _on,
    "renewal-yes": _yes,
    "renewal-forget": _forget,
}
