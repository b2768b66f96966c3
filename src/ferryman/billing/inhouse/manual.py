"""The operator's word: money that came outside of this program, in cash or by a bank transfer, and is marked as paid.

Who says so, and why, is the payment's description, and goes into the books with it. It has no button.
"""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing.provider import Fact, NoSettings, PaymentRequest, PaymentState, ProviderTools, Way


class Manual:
    """Believes whoever of the staff says that it was paid."""

    name: ClassVar[str] = "manual"
    title: ClassVar[dict[str, str]] = {"ru": "Вручную", "en": "By hand"}
    icon: ClassVar[str] = "🖐"
    currencies: ClassVar[tuple[str, ...]] = ()
    ways: ClassVar[tuple[Way, ...]] = ()
    Config: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, config: Any, tools: ProviderTools) -> None:
        del config, tools

    @property
    def test_mode(self) -> bool:
        return False

    async def check(self) -> str:
        return "staff says what was paid: nobody has to be asked"

    async def collect(self, session: AsyncSession, request: PaymentRequest, customer_id: int) -> Fact:
        del session, customer_id
        said = {"said": request.description}
        return Fact(request.ref, request.ref, PaymentState.SUCCEEDED, request.amount, test=False, details=said)

    def account(self, request: PaymentRequest, customer_id: int) -> str:
        del request, customer_id
        return "provider:manual"
