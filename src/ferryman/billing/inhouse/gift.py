"""A gift code that is worth a plan's term: whoever wrote it in first gets what its face says.

The story (`flows/payments/gifting`) finds the code that was typed, and names it to us in the payment's way; here it
is taken, in the transaction that grants what it is worth. It has no button among the ways to pay.
"""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import gift
from ferryman.billing.provider import Fact, NoSettings, PaymentRequest, PaymentState, ProviderTools, Way
from ferryman.kit.errors import Refused


class Gift:
    """Pays with a code, once."""

    name: ClassVar[str] = "gift"
    title: ClassVar[dict[str, str]] = {"ru": "Подарочный код", "en": "Gift code"}
    icon: ClassVar[str] = "🎁"
    currencies: ClassVar[tuple[str, ...]] = ()
    ways: ClassVar[tuple[Way, ...]] = ()
    Config: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, config: Any, tools: ProviderTools) -> None:
        del config
        self._clock = tools.clock

    @property
    def test_mode(self) -> bool:
        return False

    async def check(self) -> str:
        return "gift codes: nobody has to be asked"

    async def collect(self, session: AsyncSession, request: PaymentRequest, customer_id: int) -> Fact:
        """Raises Refused when the code is used, void or out of date."""
        now = self._clock.now()
        code = await gift.named(session, request.way)
        if code is None or not code.open(now) or code.worth != request.amount:
            raise Refused("This gift code cannot be used any more.")
        code.redeem(customer_id, await gift.order_of(session, request.order_ref), now)
        await session.flush()
        return Fact(request.ref, request.ref, PaymentState.SUCCEEDED, request.amount, False, details={"gift": code.ref})

    def account(self, request: PaymentRequest, customer_id: int) -> str:
        del request, customer_id
        return "gifts"
