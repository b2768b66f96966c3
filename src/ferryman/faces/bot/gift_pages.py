"""Writing in a gift code: the question, and what its answer leads to."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ferryman.billing.gift import GiftCode
from ferryman.faces.bot.buttons import button, home_row
from ferryman.faces.bot.press import Press
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit
from ferryman.flows.orders.guessing import TooManyGuesses
from ferryman.flows.payments import gifting
from ferryman.flows.payments.gifting import WrongCode
from ferryman.kit import log
from ferryman.kit.errors import Refused
from ferryman.messaging.sender import Keyboard
from ferryman.messaging.texts import Voice

_log = log.get("bot")

QUESTION = "gift"


def with_gift(voice: Voice, shown: Screen) -> Screen:
    """The choice of plans, with a button for whoever has a code."""
    rows = shown.keyboard.rows if shown.keyboard is not None else ()
    return replace(shown, keyboard=Keyboard((*rows[:-1], (button(voice, "gift", "v1:gift"),), *rows[-1:])))


def asked(voice: Voice) -> Screen:
    """The code is to be typed."""
    rows = ((button(voice, "back", "v1:buy"),), home_row(voice))
    return Screen(voice.html("gift-ask"), Keyboard(rows), asks=QUESTION)


def accepted(voice: Voice, code: GiftCode) -> Screen:
    """What the code was worth, and where to go from here."""
    if code.face is None:
        text = voice.html("gift-accepted-money", amount=voice.money(code.worth))
        return Screen(text, Keyboard(((button(voice, "buy", "v1:buy"),), home_row(voice))))
    face = code.face
    title = voice.pick(face["title"])
    text = voice.html("gift-accepted-plan", icon=face["icon"], title=title, days=int(face["days"]))
    return Screen(text, Keyboard(((button(voice, "subs", "v1:subs"),), home_row(voice))))


async def _ask(visit: Visit, _: Press) -> Screen:
    return asked(visit.voice)


async def _answer(visit: Visit, words: str, _: Press) -> Screen:
    speak = visit.voice
    try:
        code = await gifting.redeem(visit.tools, visit.customer.id, words)
    except TooManyGuesses as error:
        return Screen(speak.html("codes-slow", minutes=error.minutes), Keyboard((home_row(speak),)))
    except WrongCode:
        return asked(speak).after(speak.html("gift-wrong"))
    except Refused as error:
        _log.warning("gift_refused", customer=visit.customer.id, why=str(error))
        return asked(speak).after(speak.html("gift-wrong"))
    return accepted(speak, code)


PAGES: dict[str, Callable[[Visit, Press], Awaitable[Screen]]] = {"gift": _ask}
ANSWERS: dict[str, Callable[[Visit, str, Press], Awaitable[Screen]]] = {QUESTION: _answer}
