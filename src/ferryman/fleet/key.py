"""Key: what one subscription is owed on one node, and what was last seen there; tombstones; every key's history."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.kit.db import Base


class Key(Base):
    """Desired against seen: the key is in order when `seen_revision` equals `wanted_revision`.

    `wanted` false: the client is to be gone from the node; the row goes when it is. `seen_revision` NULL: the node has
    never shown this client. 0: it has, but what it holds now is in doubt. `urgent`: somebody waits for it, so it goes
    before all others. `up` and `down` are the panel's own counters as last read, which start anew when a panel resets
    them; `used_up` and `used_down` only ever grow. All in bytes.
    """

    __tablename__ = "keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"))
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    wanted: Mapped[bool] = mapped_column(default=True, server_default="true")
    urgent: Mapped[bool] = mapped_column(default=False, server_default="false")
    wanted_revision: Mapped[int]
    seen_revision: Mapped[int | None]
    seen_at: Mapped[datetime | None]
    up: Mapped[int] = mapped_column(default=0, server_default="0")
    down: Mapped[int] = mapped_column(default=0, server_default="0")
    used_up: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    used_down: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    counted_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None]
    try_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("subscription_id", "node_id"),
        Index(
            "ix_keys_owed",
            "node_id",
            "try_at",
            postgresql_where=text("seen_revision IS DISTINCT FROM wanted_revision OR NOT wanted"),
        ),
        Index("ix_keys_urgent", "node_id", postgresql_where=text("urgent")),
        Index("ix_keys_node_id", "node_id"),
    )


class Tombstone(Base):
    """A client that must go from a node's panel, whatever else: an identity that was replaced, or outlived its row.

    While it stands, no client of the same `email` is made on that node.
    """

    __tablename__ = "tombstones"

    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("subscriptions.id"))
    email: Mapped[str]
    uuid: Mapped[str]
    sub_id: Mapped[str]
    why: Mapped[str]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None]
    try_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("node_id", "email", "uuid"),)


class KeyEvent(Base):
    """One line of a key's history: what was done or seen, why, by whom ("system", "customer:7", "operator:cli").

    Rows outlive the key. `node_id` NULL: it happened to the subscription as a whole. No credential is ever in `detail`.
    """

    __tablename__ = "key_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"))
    node_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    at: Mapped[datetime]
    what: Mapped[str]
    why: Mapped[str] = mapped_column(default="", server_default="")
    actor: Mapped[str] = mapped_column(default="system", server_default="system")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    __table_args__ = (Index("ix_key_events_subscription_id_id", "subscription_id", "id"),)
