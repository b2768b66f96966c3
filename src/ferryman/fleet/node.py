"""Node, its Inbounds, and Key: what one subscription is owed on one node, and what was last seen there."""

import enum
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ferryman.fleet.panel import PanelAccess, PanelInbound
from ferryman.kit.db import Base
from ferryman.kit.secrets import Vault


class NodeState(enum.StrEnum):
    """HEALTHY and DOWN are what we see; OFF is what the operator wants."""

    HEALTHY = "healthy"
    DOWN = "down"
    OFF = "off"


class Node(Base):
    """Where a node is, how its panel is reached (sealed), and how it does. `address` is what customers connect to."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[dict[str, Any]]
    city: Mapped[dict[str, Any]]
    country: Mapped[str]
    panel: Mapped[str]
    address: Mapped[str]
    sealed_access: Mapped[bytes]
    state: Mapped[str] = mapped_column(default=NodeState.HEALTHY)
    trouble: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    try_at: Mapped[datetime | None]  # after trouble: when the panel is called again; None = any time
    position: Mapped[int] = mapped_column(default=0)
    panel_version: Mapped[str] = mapped_column(default="")
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    inbounds: Mapped[list["Inbound"]] = relationship(order_by="Inbound.panel_id", lazy="selectin")

    __table_args__ = (
        CheckConstraint("state IN ('healthy', 'down', 'off')", name="state_known"),
        CheckConstraint("country ~ '^[A-Z]{2}$'", name="country_is_iso"),
    )

    @property
    def flag(self) -> str:
        """The country's flag as an emoji: two regional indicator symbols."""
        return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in self.country)

    def access(self, vault: Vault) -> PanelAccess:
        """How the panel is reached. Raises Misconfigured when the key it was sealed with is missing."""
        opened = vault.open(self.sealed_access)
        for secret in ("token", "password"):
            opened[secret] = SecretStr(opened[secret]) if opened[secret] else None
        return PanelAccess(**opened)


class Inbound(Base):
    """One inbound of a node that keys are put on. `link` is what share links need, without any private key."""

    __tablename__ = "inbounds"

    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    panel_id: Mapped[int]
    protocol: Mapped[str]
    transport: Mapped[str]
    security: Mapped[str]
    port: Mapped[int]
    remark: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    link: Mapped[dict[str, Any]]

    __table_args__ = (UniqueConstraint("node_id", "panel_id"), CheckConstraint("port BETWEEN 0 AND 65535", name="port"))

    def take(self, seen: PanelInbound) -> None:
        """Remember the inbound as the panel shows it now."""
        self.protocol, self.transport, self.security = seen.protocol, seen.transport, seen.security
        self.port, self.remark, self.enabled, self.link = seen.port, seen.remark, seen.enabled, dict(seen.link)


class Key(Base):
    """Desired against seen: the key is in order when `seen_revision` equals `wanted_revision`.

    `seen_revision` NULL: the node has never shown this client. 0: it has, but what it holds now is in doubt.
    """

    __tablename__ = "keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id"))
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    wanted_revision: Mapped[int]
    seen_revision: Mapped[int | None]
    seen_at: Mapped[datetime | None]
    up: Mapped[int] = mapped_column(default=0, server_default="0")
    down: Mapped[int] = mapped_column(default=0, server_default="0")
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None]
    try_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("subscription_id", "node_id"),
        Index(
            "ix_keys_owed", "node_id", "try_at", postgresql_where=text("seen_revision IS DISTINCT FROM wanted_revision")
        ),
    )
