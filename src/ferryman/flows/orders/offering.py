"""What a customer may choose among: the ways to pay for a term that the operator has switched on, in their order."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import methods, refund
from ferryman.billing.methods import ChosenWay
from ferryman.billing.provider import InHouse, Offered, Way
from ferryman.catalog.plan import Term
from ferryman.catalog.pricing import Quote
from ferryman.flows.orders.pricing import Counter, NoPrice
from ferryman.flows.orders.worth import UpgradeRefused
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Refused
from ferryman.kit.money import Money

FULL_PRICE = Counter()


class NotForSale(Refused):
    """The plan, the term or the payment method was withdrawn since the button was shown."""


@dataclass(frozen=True)
class Offer:
    """One way to pay for something: `method` is what a button says of it, `amount` what it would take.

    `was` is the price before anything came off it; None where nothing did. `again` is what the same costs the next
    time, when a code counts no more; None = what it costs now.
    """

    method: str
    icon: str
    title: Mapping[str, str]
    amount: Money
    way: Way
    was: Money | None = None
    again: Money | None = None


@dataclass(frozen=True)
class Choice:
    """One way to pay as the operator has set it. `denied`: its provider does not accept the shop's credentials now."""

    provider: str
    way: Way
    enabled: bool
    position: int
    denied: bool = False

    @property
    def offered(self) -> bool:
        """Whether something new may be paid that way."""
        return self.enabled and not self.denied

    @property
    def method(self) -> str:
        """What a button says: the provider, and which of its ways."""
        return f"{self.provider}.{self.way.code}" if self.way.code else self.provider


def parts(method: str) -> tuple[str, str]:
    """The provider and the way's code behind a button's word."""
    provider, _, code = method.partition(".")
    return provider, code


async def offers(
    tools: Tools, session: AsyncSession, term: Term, customer_id: int, counter: Counter = FULL_PRICE
) -> list[Offer]:
    """Every way that is on and takes this term's price; from the balance only what it covers.

    Raises UpgradeRefused when what is to be given in for it cannot be, whichever way it is paid.
    """
    held = await refund.spendable(session, customer_id)
    found: list[Offer] = []
    refused: UpgradeRefused | None = None
    for choice in await choices(tools, session):
        if not choice.offered:
            continue
        kind, way = tools.providers[choice.provider], choice.way
        try:
            priced = quoted(counter, term, kind, way, held)
        except NotForSale:
            continue
        except UpgradeRefused as error:
            refused = error
            continue
        was = priced.base if priced.reduced else None
        again = counter.next_time(term, priced.total.currency, way)
        icon, title = way.icon or kind.icon, way.title or kind.title
        found.append(Offer(choice.method, icon, title, priced.total, way, was, again))
    if refused is not None and not found:
        raise refused
    return found


async def choices(tools: Tools, session: AsyncSession) -> list[Choice]:
    """All ways of the providers that are switched on, in the operator's order."""
    set_by_hand = {(one.provider, one.code): one for one in await session.scalars(select(ChosenWay))}
    denying = await methods.denying(session)
    found = []
    for at, name in enumerate(await methods.enabled(session)):
        kind = tools.providers.get(name)
        for order, way in enumerate(kind.ways if kind is not None else ()):
            own = set_by_hand.get((name, way.code))
            found.append(_choice(name, way, own, at * 100 + order, denied=name in denying))
    return sorted(found, key=lambda choice: choice.position)


def _choice(provider: str, way: Way, own: ChosenWay | None, position: int, *, denied: bool) -> Choice:
    if own is None:
        return Choice(provider, way, enabled=True, position=position, denied=denied)
    icon, title = own.icon or way.icon, own.title or way.title
    dressed = Way(way.code, icon, title, way.currencies, way.least, way.most, way.keeps)
    return Choice(provider, dressed, own.enabled, own.position or position, denied)


async def chosen(tools: Tools, session: AsyncSession, method: str) -> tuple[type[Offered], Way]:
    """The provider and way of a button, which may be old. Raises NotForSale when it is not offered any more."""
    for choice in await choices(tools, session):
        # A button of the time when a provider had one way only means its first.
        if choice.offered and (choice.method == method or ("." not in method and choice.provider == method)):
            return tools.providers[choice.provider], choice.way
    raise NotForSale("This way to pay is not offered any more; choose another.")


def quoted(counter: Counter, term: Term, kind: type[Offered], way: Way, held: Mapping[str, int]) -> Quote:
    """What the term costs that way; from our own books only in a currency of which enough is `held`.

    Raises NotForSale when it is not sold so, or the way does not take as little or as much; UpgradeRefused.
    """
    currencies = way.currencies or kind.currencies or tuple(one.currency for one in term.prices)
    ours = issubclass(kind, InHouse)
    for wanted in [(one,) for one in currencies] if ours else [currencies]:
        with contextlib.suppress(NoPrice):
            priced = counter.quote(term, wanted, way)
            if not ours or priced.total.minor <= held.get(priced.total.currency, 0):
                return priced
    raise NotForSale("This plan has no price for that payment method; choose another.")
