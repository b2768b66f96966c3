"""What the bot keeps for itself: the inbox of updates, open dialogues, and which texts Telegram has been given."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base


class TelegramUpdate(Base):
    """One update as it came in, kept before Telegram is told that we have it; worked through once.

    `lane` is the chat: updates of one lane are worked through in order. `attempts` is raised before each attempt, and
    `claimed_until` says when a running one is given up for dead. `stale`: a press too old to be acted on.
    """

    __tablename__ = "telegram_updates"

    id: Mapped[int] = mapped_column(primary_key=True)
    bot_id: Mapped[int]
    update_id: Mapped[int]
    kind: Mapped[str]
    lane: Mapped[str]
    raw: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="new")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    received_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    claimed_until: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    error: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("bot_id", "update_id"),
        CheckConstraint("state IN ('new', 'done', 'failed', 'stale')", name="state_known"),
        CheckConstraint("(state = 'new') = (processed_at IS NULL)", name="finished_has_a_time"),
        Index("ix_telegram_updates_new", "bot_id", "lane", "id", postgresql_where=text("state = 'new'")),
        Index("ix_telegram_updates_received_at", "received_at"),
    )


class DialogueState(Base):
    """Which question is open between a bot and a person. `data` holds ids only; everything else is looked up again."""

    __tablename__ = "telegram_dialogues"

    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_telegram_dialogues_touched_at", "touched_at"),)


class BotProfile(Base):
    """The fingerprint of the texts last set on a bot: Telegram limits those calls to a few an hour."""

    __tablename__ = "telegram_profiles"

    bot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str]
