"""What presses about prices lead to: the shelf as this customer pays for it, promo codes, a change of plan."""

import secrets
import string
from collections.abc import Awaitable, Callable

from ferryman.billing import methods
from ferryman.catalog import shelf
from ferryman.catalog.plan import Plan, Term
from ferryman.catalog.pricing import Quote
from ferryman.catalog.using import PromoRefused
from ferryman.faces.bot import gift_pages, prices_screens, screens
from ferryman.faces.bot.press import Press
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit, theirs
from ferryman.flows.orders import offering, pricing
from ferryman.flows.orders.guessing import TooManyGuesses
from ferryman.flows.orders.pricing import Counter, NoPrice
from ferryman.flows.orders.worth import UpgradeRefused
from ferryman.flows.payments import buying
from ferryman.kit import log
from ferryman.kit.errors import NotFound, Refused
from ferryman.kit.money import Money
from ferryman.subscriptions.subscription import Subscription

_log = log.get("bot")

_NONCE = string.ascii_letters + string.digits


def nonce() -> str:
    """New for every showing of the ways to pay; see `press`."""
    return "".join(secrets.choice(_NONCE) for _ in range(8))


async def on_sale(visit: Visit, given_in: Subscription | None = None) -> tuple[list[Plan], tuple[str, ...], Counter]:
    """The plans, what can be paid in, in the operator's order of methods, and what this customer's prices depend on.

    Raises UpgradeRefused.
    """
    async with visit.tools.db.unit() as session:
        plans = await shelf.on_sale(session)
        enabled = await methods.enabled(session)
        now = visit.tools.clock.now()
        counter = await pricing.counter(session, visit.customer.id, now, upgrade_of=given_in)
    installed = [visit.tools.providers[name] for name in enabled if name in visit.tools.providers]
    return plans, tuple(currency for kind in installed for currency in kind.currencies), counter


async def plans(visit: Visit) -> Screen:
    """The shelf; a code that counts no more is taken away, with a word of why."""
    found, currencies, counter = await on_sale(visit)
    screen = gift_pages.with_gift(visit.voice, screens.plans(visit.voice, found, currencies, counter))
    if counter.refused is None:
        return prices_screens.with_promo(visit.voice, screen, counter.promo)
    await pricing.forget(visit.tools, visit.customer.id)
    fresh = prices_screens.with_promo(visit.voice, screen, None)
    return fresh.after(prices_screens.refused(visit.voice, counter.refused.reason))


async def _entered(visit: Visit, typed: str, _: Press) -> Screen:
    """The customer has typed a promo code."""
    try:
        await pricing.enter(visit.tools, visit.customer.id, typed)
    except TooManyGuesses as error:
        return prices_screens.slow(visit.voice, error.minutes)
    except PromoRefused as error:
        _log.info("promo_refused", customer=visit.customer.id, why=error.reason)
        return prices_screens.ask_for_code(visit.voice).after(prices_screens.refused(visit.voice, error.reason))
    return await plans(visit)


async def code_refused(visit: Visit, error: PromoRefused) -> Screen:
    """At the checkout: the code counts no more, so the prices on the buttons were not true any more either."""
    await pricing.forget(visit.tools, visit.customer.id)
    return (await plans(visit)).after(prices_screens.refused(visit.voice, error.reason))


async def _promo(visit: Visit, _: Press) -> Screen:
    return prices_screens.ask_for_code(visit.voice)


async def _nopromo(visit: Visit, _: Press) -> Screen:
    await pricing.forget(visit.tools, visit.customer.id)
    return (await plans(visit)).after(visit.voice.html("promo-gone"))


async def _up(visit: Visit, press: Press) -> Screen:
    one = await theirs(visit, press.words["ref"])
    try:
        found, currencies, counter = await on_sale(visit, one)
        choice = _upgrades(counter, found, currencies)
    except UpgradeRefused as error:
        return prices_screens.upgrade_refused(visit.voice, error.reason, one.ref)
    if not choice:
        return prices_screens.upgrade_refused(visit.voice, "nothing", one.ref)
    assert counter.given_in is not None
    worth = [Money(minor, currency) for currency, minor in counter.given_in.worth.items()]
    return prices_screens.upgrades(visit.voice, one, worth, choice)


def _upgrades(counter: Counter, plans: list[Plan], currencies: tuple[str, ...]) -> list[tuple[Term, Quote]]:
    """Terms that it can be given in for. Raises the last refusal when there is none."""
    assert counter.given_in is not None
    found: list[tuple[Term, Quote]] = []
    refused: UpgradeRefused | None = None
    others = [plan for plan in plans if plan.code != counter.given_in.plan_code]
    for term in (term for plan in others for term in plan.terms if term.active):
        try:
            found.append((term, counter.quote(term, currencies)))
        except NoPrice:
            continue
        except UpgradeRefused as error:
            refused = error
    if refused is not None and not found:
        raise refused
    return found


async def _upterm(visit: Visit, press: Press) -> Screen:
    one = await theirs(visit, press.words["ref"])
    try:
        async with visit.tools.db.unit() as session:
            term = await shelf.term(session, press.number("term"))
            if term is None:
                raise buying.NotForSale("The term was withdrawn.")
            now = visit.tools.clock.now()
            counter = await pricing.counter(session, visit.customer.id, now, upgrade_of=one)
            offers = await offering.offers(visit.tools, session, term, visit.customer.id, counter)
    except UpgradeRefused as error:
        return prices_screens.upgrade_refused(visit.voice, error.reason, one.ref)
    return prices_screens.upgrade_methods(visit.voice, one.ref, term, offers, nonce())


async def _upp(visit: Visit, press: Press) -> Screen:
    ref, term_id = press.words["ref"], press.number("term")
    back = f"v1:upterm:{ref}:{term_id}"
    wish = buying.Wish(visit.customer.id, term_id, press.words["method"], visit.tap, upgrade_of=ref)
    try:
        order = await buying.begin(visit.tools, wish)
    except (buying.NotForSale, NotFound):
        raise
    except buying.ContactNeeded:
        return screens.contact(visit.voice, back)
    except PromoRefused as error:
        return await code_refused(visit, error)
    except UpgradeRefused as error:
        return prices_screens.upgrade_refused(visit.voice, error.reason, ref)
    except Refused as error:
        _log.warning("checkout_refused", customer=visit.customer.id, why=str(error))
        return screens.paying_refused(visit.voice, back)
    return screens.checkout(visit.voice, order, back)


PAGES: dict[str, Callable[[Visit, Press], Awaitable[Screen]]] = {
    "promo": _promo,
    "nopromo": _nopromo,
    "up": _up,
    "upterm": _upterm,
    "upp": _upp,
}
ANSWERS: dict[str, Callable[[Visit, str, Press], Awaitable[Screen]]] = {"promo": _entered}
