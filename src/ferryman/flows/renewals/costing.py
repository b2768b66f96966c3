"""What a renewal costs: what a purchase of the same term would cost this customer by the same way, without any code.

What the operator gave them counts, personal and volume discounts, as it stands at that moment. A promo code is for the
purchase that it was typed for.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.catalog.plan import Term
from ferryman.catalog.pricing import Quote
from ferryman.flows.orders import pricing
from ferryman.flows.orders.pricing import NoPrice
from ferryman.flows.tools import Tools
from ferryman.kit.money import Money


@dataclass(frozen=True)
class Cost:
    """`quote` is None when the term is not sold, or not in that currency. `least`: minor units that it takes.

    `taken`: the way takes this amount; otherwise the quote is the price before anything came off.
    """

    quote: Quote | None = None
    least: int = 0
    taken: bool = True

    @property
    def price(self) -> Money | None:
        return None if self.quote is None else self.quote.total


async def cost(
    tools: Tools, session: AsyncSession, customer_id: int, term: Term | None, currency: str, provider: str, way: str
) -> Cost:
    """What the term costs this customer now, when nobody is at a screen; the way may be switched off."""
    base = term.price((currency,)) if term is not None else None
    if term is None or base is None:
        return Cost()
    kind = tools.providers.get(provider)
    by = next((each for each in kind.ways if each.code == way), None) if kind is not None else None
    least = by.least.get(currency, 0) if by is not None else 0
    counter = await pricing.counter(session, customer_id, tools.clock.now())
    try:
        return Cost(counter.standing.quote(term, (currency,), by), least)
    except NoPrice:
        return Cost(Quote(base, base), least, taken=False)
