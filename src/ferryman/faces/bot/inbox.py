"""The inbox of Telegram updates: kept once, claimed in order for each chat, finished or tried again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ferryman.faces.bot.tables import TelegramUpdate

CALLBACK = "callback_query"
PRE_CHECKOUT = "pre_checkout_query"
# Telegram itself drops presses that it could not deliver for this long; the person has moved on.
PRESS_LIVES = timedelta(seconds=150)
# A running attempt renews its claim more often than this; after a kill its chat waits no longer.
CLAIM_LASTS = timedelta(seconds=15)
# Update ids start anew at random after about a week without any, so an older row must not hide a new update.
KEPT_FOR = timedelta(days=7)
CONTENT_KEPT_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Claimed:
    """An update to work through now; this is attempt number `attempt`."""

    id: int
    raw: dict[str, Any]
    kind: str
    attempt: int
    received_at: datetime


async def keep(session: AsyncSession, bot_id: int, updates: Iterable[Mapping[str, Any]], now: datetime) -> int:
    """Store the updates that are new; answers how many were."""
    rows = [
        {
            "bot_id": bot_id,
            "update_id": raw["update_id"],
            "kind": kind_of(raw),
            "lane": lane_of(raw),
            "raw": storable(raw),
            "received_at": now,
            "next_try_at": now,
        }
        for raw in updates
    ]
    if not rows:
        return 0
    statement = insert(TelegramUpdate).on_conflict_do_nothing(index_elements=["bot_id", "update_id"])
    return len((await session.scalars(statement.values(rows).returning(TelegramUpdate.id))).all())


async def claim(session: AsyncSession, bot_id: int, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` updates that may be worked through now: at most one of each chat, presses first.

    An update holds back the later ones of its chat; one that waits for another attempt does not, so that a customer
    is never stuck behind our trouble.
    """
    # One claimer at a time: two that do not see each other's claims could take two updates of one chat.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("telegram-claim", bot_id))))
    ready = (
        select(TelegramUpdate.id)
        .where(
            TelegramUpdate.bot_id == bot_id,
            TelegramUpdate.state == "new",
            TelegramUpdate.next_try_at <= now,
            or_(TelegramUpdate.claimed_until.is_(None), TelegramUpdate.claimed_until <= now),
            ~_held_back(now),
        )
        .order_by(TelegramUpdate.kind != CALLBACK, TelegramUpdate.id)
        .limit(limit)
    )
    taken = (
        update(TelegramUpdate)
        .where(TelegramUpdate.id.in_(ready))
        .values(attempts=TelegramUpdate.attempts + 1, claimed_until=now + CLAIM_LASTS)
        .returning(TelegramUpdate)
        .execution_options(synchronize_session=False)
    )
    rows = (await session.scalars(taken)).all()
    return [Claimed(row.id, row.raw, row.kind, row.attempts, row.received_at) for row in rows]


def _held_back(now: datetime) -> ColumnElement[bool]:
    other = aliased(TelegramUpdate)
    return (
        select(other.id)
        .where(
            other.bot_id == TelegramUpdate.bot_id,
            other.lane == TelegramUpdate.lane,
            other.state == "new",
            other.id != TelegramUpdate.id,
            or_(other.claimed_until > now, and_(other.next_try_at <= now, other.id < TelegramUpdate.id)),
        )
        .correlate(TelegramUpdate)
        .exists()
    )


async def renew(session: AsyncSession, ids: Iterable[int], now: datetime) -> None:
    """Say that these are still being worked on."""
    await session.execute(
        update(TelegramUpdate)
        .where(TelegramUpdate.id.in_(list(ids)), TelegramUpdate.state == "new")
        .values(claimed_until=now + CLAIM_LASTS)
    )


async def finish(session: AsyncSession, id_: int, state: str, now: datetime, error: str | None = None) -> None:
    """`state` is done, failed or stale."""
    await session.execute(
        update(TelegramUpdate)
        .where(TelegramUpdate.id == id_, TelegramUpdate.state == "new")
        .values(state=state, processed_at=now, claimed_until=None, error=error)
    )


async def try_later(session: AsyncSession, id_: int, at: datetime, error: str) -> None:
    await session.execute(
        update(TelegramUpdate)
        .where(TelegramUpdate.id == id_, TelegramUpdate.state == "new")
        .values(next_try_at=at, claimed_until=None, error=error)
    )


async def tidy(session: AsyncSession, now: datetime) -> None:
    """Empty what was worked through an hour ago (it holds names and words), drop all of a week ago."""
    worked_through = TelegramUpdate.state.in_(("done", "stale"))
    old = TelegramUpdate.processed_at < now - CONTENT_KEPT_FOR
    await session.execute(update(TelegramUpdate).where(worked_through, old, TelegramUpdate.raw != {}).values(raw={}))
    await session.execute(delete(TelegramUpdate).where(TelegramUpdate.received_at < now - KEPT_FOR))


def kind_of(raw: Mapping[str, Any]) -> str:
    """The name of the one field beside `update_id`: "message", "callback_query", or something newer than we are."""
    return next((name for name in raw if name != "update_id"), "")


def lane_of(raw: Mapping[str, Any]) -> str:
    """The chat that an update belongs to; an update of no chat has a lane of its own."""
    body = raw.get(kind_of(raw))
    if isinstance(body, Mapping):
        message = body.get("message")
        inside = message if isinstance(message, Mapping) else {}
        for place in (body.get("chat"), inside.get("chat"), body.get("from"), body.get("user")):
            if isinstance(place, Mapping) and "id" in place:
                return str(place["id"])
    return f"update:{raw['update_id']}"


def storable(value: Any) -> Any:
    """The same document without what JSONB refuses: the character 0 and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode()
        case Mapping():
            return {storable(name): storable(item) for name, item in value.items()}
        case list():
            return [storable(item) for item in value]
    return value
