"""Staff: who runs the shop. They hear of trouble in the bot, once they have pressed Start there."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base
from ferryman.people.customer import Customer

ROLES = ("owner", "operator")


class Staff(Base):
    """`alerts` false: belongs to the shop and does not want to be woken."""

    __tablename__ = "staff"

    telegram_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default="operator", server_default="operator")
    alerts: Mapped[bool] = mapped_column(default=True, server_default="true")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("role IN ('owner', 'operator')", name="role_known"),)


async def listening(session: AsyncSession) -> list[int]:
    """Customer ids of those who want to hear of trouble and can be written to, in ascending order."""
    found = await session.scalars(
        select(Customer.id)
        .join(Staff, Staff.telegram_id == Customer.telegram_id)
        .where(Staff.alerts, Customer.reachable)
        .order_by(Customer.id)
    )
    return list(found)
