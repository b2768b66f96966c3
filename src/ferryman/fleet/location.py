"""Location: the place that a customer sees and may choose; one or more nodes stand in it."""

from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base


class Location(Base):
    """`title` and `city` are texts by language code ("ru", "en"); `country` is ISO 3166-1 alpha-2 in capitals."""

    __tablename__ = "locations"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str]
    title: Mapped[dict[str, Any]]
    city: Mapped[dict[str, Any]]
    position: Mapped[int] = mapped_column(default=0)

    __table_args__ = (CheckConstraint("country ~ '^[A-Z]{2}$'", name="country_is_iso"),)

    @property
    def flag(self) -> str:
        """The country's flag as an emoji: two regional indicator symbols."""
        return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in self.country)
