"""The customer's own balance: what they were credited pays for what they buy, in the transaction that grants it."""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import refund
from ferryman.billing.provider import Fact, NoSettings, PaymentRequest, PaymentState, ProviderTools, Way
from ferryman.kit.errors import Refused


class Balance:
    """Shown as a way to pay while it covers the price."""

    name: ClassVar[str] = "balance"
    title: ClassVar[dict[str, str]] = {"ru": "Баланс", "en": "Balance"}
    icon: ClassVar[str] = "💼"
    currencies: ClassVar[tuple[str, ...]] = ()
    ways: ClassVar[tuple[Way, ...]] = (Way("", icon, title, keeps=True),)
    Config: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, config: Any, tools: ProviderTools) -> None:
        del config, tools

    @property
    def test_mode(self) -> bool:
        return False

    async def check(self) -> str:
        return "the customers' own balances: nobody has to be asked"

    async def collect(self, session: AsyncSession, request: PaymentRequest, customer_id: int) -> Fact:
        """Raises Refused when the balance does not cover it. The caller holds the customer's row, so nothing else can
        spend it meanwhile."""
        there = (await refund.spendable(session, customer_id)).get(request.amount.currency, 0)
        if there < request.amount.minor:
            raise Refused("There is not enough on the balance for that.")
        return Fact(request.ref, request.ref, PaymentState.SUCCEEDED, request.amount, test=False)

    def account(self, request: PaymentRequest, customer_id: int) -> str:
        del request
        return f"customer:{customer_id}"
