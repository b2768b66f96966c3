"""Customer: a person on Telegram."""

from datetime import datetime

from sqlalchemy import BigInteger, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base

LANGUAGES = ("ru", "en")


def language_of(code: str | None) -> str:
    """Our language for a Telegram `language_code` ("ru-RU", "en", "uk", None)."""
    short = (code or "").split("-")[0].lower()
    return "ru" if short in ("ru", "uk", "be", "kk") else "en"


class Customer(Base):
    """`reachable` turns false when Telegram says that the person blocked the bot; access goes on all the same.

    `contact` is where receipts go: an e-mail address or a phone number, once it was asked for.
    """

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    telegram_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    first_name: Mapped[str] = mapped_column(default="")
    username: Mapped[str | None]
    language: Mapped[str]
    contact: Mapped[str | None]
    banned: Mapped[bool] = mapped_column(default=False)
    reachable: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def id_of(session: AsyncSession, telegram_id: int) -> int | None:
    """The id of whoever has this Telegram id; None when nobody has been here with it."""
    return await session.scalar(select(Customer.id).where(Customer.telegram_id == telegram_id))
