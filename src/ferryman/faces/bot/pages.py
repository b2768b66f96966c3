"""What a press leads to: each verb looks up what is true now and answers with a screen. No press is believed."""

from collections.abc import Awaitable, Callable

from sqlalchemy import select

from ferryman.billing import checkout
from ferryman.billing.order import Order
from ferryman.catalog import shelf
from ferryman.catalog.using import PromoRefused
from ferryman.delivery.link import subscription_url
from ferryman.faces.bot import (
    gift_pages,
    key_pages,
    prices_pages,
    prices_screens,
    renewal_pages,
    renewal_screens,
    screens,
)
from ferryman.faces.bot.press import Press
from ferryman.faces.bot.screens import Screen
from ferryman.faces.bot.visit import Visit, theirs
from ferryman.fleet import keyring
from ferryman.flows.orders import offering, pricing
from ferryman.flows.payments import buying, cancelling
from ferryman.flows.renewals import consenting
from ferryman.flows.shop import meeting
from ferryman.kit import log
from ferryman.kit.errors import NotFound, Refused
from ferryman.subscriptions import holdings
from ferryman.subscriptions.subscription import Subscription

_log = log.get("bot")


async def page(visit: Visit, press: Press) -> Screen:
    """The screen that a press leads to; the menu, with a word of why, when it leads nowhere any more.

    Raises Retry when something that it needs does not answer.
    """
    if visit.customer.banned:
        return screens.banned(visit.voice)
    try:
        return await _PAGES[press.verb](visit, press)
    except buying.NotForSale:
        return (await _buy(visit)).after(visit.voice.html("not-for-sale"))
    except NotFound:
        _log.warning("press_on_what_is_not_theirs", customer=visit.customer.id, verb=press.verb)
        return (await home(visit)).after(visit.voice.html("not-yours"))


async def home(visit: Visit) -> Screen:
    if visit.customer.banned:
        return screens.banned(visit.voice)
    async with visit.tools.db.unit() as session:
        held = await holdings.of_customer(session, visit.customer.id)
    return screens.home(visit.voice, visit.customer.first_name, held, visit.tools.clock.now())


async def outdated(visit: Visit) -> Screen:
    """For a button of another version, or of nobody's making."""
    return (await home(visit)).after(visit.voice.html("gone")) if not visit.customer.banned else await home(visit)


async def _home(visit: Visit, _: Press) -> Screen:
    return await home(visit)


async def _buy(visit: Visit, _: Press | None = None) -> Screen:
    return await prices_pages.plans(visit)


async def _plan(visit: Visit, press: Press) -> Screen:
    on_sale, currencies, counter = await prices_pages.on_sale(visit)
    plan = next((one for one in on_sale if one.id == press.number("plan")), None)
    if plan is None:
        raise buying.NotForSale("The plan was withdrawn.")
    return screens.terms(visit.voice, plan, currencies, counter)


async def _term(visit: Visit, press: Press) -> Screen:
    async with visit.tools.db.unit() as session:
        term = await shelf.term(session, press.number("term"))
        if term is None:
            raise buying.NotForSale("The term was withdrawn.")
        counter = await pricing.counter(session, visit.customer.id, visit.tools.clock.now())
        offers = await offering.offers(visit.tools, session, term, visit.customer.id, counter)
    shown = screens.methods(visit.voice, term, offers, prices_pages.nonce())
    keeping = renewal_pages.keeping(visit.tools, offers, term.days)
    return renewal_screens.with_choice(visit.voice, shown, term, offers, keeping, on=press.verb == "again")


async def _pay(visit: Visit, press: Press) -> Screen:
    term_id = press.number("term")
    keep = press.verb == "keep"
    back = f"v1:{'again' if keep else 'term'}:{term_id}"
    try:
        wish = buying.Wish(visit.customer.id, term_id, press.words["method"], visit.tap, keep=keep)
        order = await buying.begin(visit.tools, wish)
    except (buying.NotForSale, NotFound):
        raise
    except buying.ContactNeeded:
        return screens.contact(visit.voice, back)
    except PromoRefused as error:
        return await prices_pages.code_refused(visit, error)
    except Refused as error:
        _log.warning("checkout_refused", customer=visit.customer.id, why=str(error))
        return screens.paying_refused(visit.voice, back)
    return screens.checkout(visit.voice, order, back)


async def _check(visit: Visit, press: Press) -> Screen:
    ref = press.words["order"]
    state = await buying.check(visit.tools, visit.customer.id, ref)
    async with visit.tools.db.unit() as session:
        order = await session.scalar(select(Order).where(Order.ref == ref, Order.customer_id == visit.customer.id))
        attempts = await checkout.attempts(session, order) if order is not None else []
    latest = attempts[-1] if attempts else None
    if state == "cancelled":
        return screens.dropped(visit.voice, ref)
    if latest is not None and state != "paid":
        state = latest.state
    return screens.order(visit.voice, ref, state, latest.pay_url if latest is not None else None)


async def _cancel(visit: Visit, press: Press) -> Screen:
    ref = press.words["order"]
    state = await cancelling.cancel(visit.tools, visit.customer.id, ref)
    return screens.order(visit.voice, ref, "dropped" if state == "cancelled" else state, None)


async def _subs(visit: Visit, _: Press) -> Screen:
    async with visit.tools.db.unit() as session:
        held = await holdings.of_customer(session, visit.customer.id)
    match held:
        case []:
            return screens.no_subscriptions(visit.voice)
        case [only]:
            return await _subscription(visit, only)
    return screens.subscriptions(visit.voice, held, visit.tools.clock.now())


async def _sub(visit: Visit, press: Press) -> Screen:
    return await _subscription(visit, await theirs(visit, press.words["ref"]))


async def _key(visit: Visit, press: Press) -> Screen:
    subscription = await theirs(visit, press.words["ref"])
    if subscription.replacing_since is not None:
        return await key_pages.replacement(visit, subscription)
    return screens.key(visit.voice, subscription, subscription_url(visit.tools.settings.base_url, subscription.token))


async def _help(visit: Visit, _: Press) -> Screen:
    return screens.help_(visit.voice, visit.tools.settings.support_contact)


async def _rules(visit: Visit, _: Press) -> Screen:
    return screens.rules(visit.voice)


async def _lang(visit: Visit, press: Press) -> Screen:
    chosen = press.words.get("language")
    if chosen is None:
        return screens.language(visit.voice)
    await meeting.choose_language(visit.tools, visit.customer.id, chosen)
    visit.customer.language = chosen
    return await home(visit)


async def _subscription(visit: Visit, one: Subscription) -> Screen:
    async with visit.tools.db.unit() as session:
        keys = await keyring.of_subscription(session, one.id)
        on_sale = await shelf.on_sale(session)
    renew = next((f"v1:plan:{plan.id}" for plan in on_sale if plan.code == one.plan_code), "v1:buy")
    shown = screens.subscription(visit.voice, one, keys, visit.tools.clock.now(), renew)
    others = any(plan.code != one.plan_code for plan in on_sale)
    shown = prices_screens.with_upgrade(visit.voice, shown, one, visit.tools.clock.now()) if others else shown
    renewal = await consenting.look(visit.tools, visit.customer.id, one.ref)
    return renewal_screens.with_renewal(visit.voice, shown, renewal)


async def _contact(visit: Visit, words: str, asked_at: Press) -> Screen:
    """The address for receipts was typed: keep it, and go back to the ways to pay."""
    try:
        await meeting.reachable_at(visit.tools, visit.customer.id, words)
    except Refused:
        return screens.contact(visit.voice, asked_at.data, wrong=True)
    return await page(visit, asked_at)


async def answered(visit: Visit, question: str, words: str, asked_at: Press) -> Screen:
    """Words that answer an open question; `asked_at` is the press to go back to. Other words lead there as well."""
    if visit.customer.banned:
        return screens.banned(visit.voice)
    answer = ANSWERS.get(question)
    return await page(visit, asked_at) if answer is None else await answer(visit, words, asked_at)


# Question (see `Screen.asks`) → what its answer leads to.
ANSWERS: dict[str, Callable[[Visit, str, Press], Awaitable[Screen]]] = {
    "contact": _contact,
    **gift_pages.ANSWERS,
    **prices_pages.ANSWERS,
}


_PAGES: dict[str, Callable[[Visit, Press], Awaitable[Screen]]] = {
    "home": _home,
    "buy": _buy,
    "plan": _plan,
    "term": _term,
    "again": _term,
    "pay": _pay,
    "keep": _pay,
    "check": _check,
    "cancel": _cancel,
    "subs": _subs,
    "sub": _sub,
    "key": _key,
    "help": _help,
    "rules": _rules,
    "lang": _lang,
    **gift_pages.PAGES,
    **prices_pages.PAGES,
    **key_pages.PAGES,
    **renewal_pages.PAGES,
}
