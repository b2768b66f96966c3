"""Node and its Inbounds: where keys are put, what the operator wants of it, and how it does."""

import enum
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ferryman.fleet.location import Location
from ferryman.fleet.panel import PanelAccess, PanelInbound
from ferryman.kit.db import Base
from ferryman.kit.secrets import Vault


class NodeMode(enum.StrEnum):
    """What the operator wants. DRAINING: serves whom it has and takes nobody new; OFF: out of use, may come back;
    RETIRED: gone for good, never called again."""

    ACTIVE = "active"
    DRAINING = "draining"
    OFF = "off"
    RETIRED = "retired"


class NodeState(enum.StrEnum):
    """What we see."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


class Node(Base):
    """Where a node is, how its panel is reached (sealed), and how it does. `address` is what customers connect to.

    Capacities are the operator's: clients at a time, and bytes in thirty days; 0 = no limit. `try_at`: after trouble,
    when the panel may be called again, by one caller, until `trying_until` (fleet/health.py). `quarantined_at`: since
    when its customers are served by other nodes. `ailment` is a word for what `trouble` says in a sentence;
    `told_state` and `told_at` what the staff were told last. `draining_from`: keys on it when it began to be drained.
    """

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    panel: Mapped[str]
    address: Mapped[str]
    sealed_access: Mapped[bytes]
    mode: Mapped[str] = mapped_column(default=NodeMode.ACTIVE, server_default=NodeMode.ACTIVE)
    position: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=50, server_default="50")  # 0 to 100, higher is preferred
    capacity_clients: Mapped[int] = mapped_column(default=0, server_default="0")
    capacity_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    state: Mapped[str] = mapped_column(default=NodeState.HEALTHY)
    state_since: Mapped[datetime] = mapped_column(server_default=func.now())
    quarantined_at: Mapped[datetime | None]
    trouble: Mapped[str | None]
    ailment: Mapped[str] = mapped_column(default="", server_default="")
    failures: Mapped[int] = mapped_column(default=0)
    ailing: Mapped[int] = mapped_column(default=0, server_default="0")
    successes: Mapped[int] = mapped_column(default=0, server_default="0")
    try_at: Mapped[datetime | None]
    trying_until: Mapped[datetime | None]
    told_state: Mapped[str] = mapped_column(default=NodeState.HEALTHY, server_default=NodeState.HEALTHY)
    told_at: Mapped[datetime | None]
    draining_from: Mapped[int | None]
    panel_version: Mapped[str] = mapped_column(default="")
    latency_ms: Mapped[int | None]
    clock_skew: Mapped[int | None]  # seconds, the panel's clock minus ours
    checked_at: Mapped[datetime | None]
    audited_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    location: Mapped[Location] = relationship(lazy="joined", innerjoin=True)
    inbounds: Mapped[list["Inbound"]] = relationship(order_by="Inbound.panel_id", lazy="selectin")

    __table_args__ = (
        CheckConstraint("mode IN ('active', 'draining', 'off', 'retired')", name="mode_known"),
        CheckConstraint("state IN ('healthy', 'degraded', 'down')", name="state_known"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority_in_range"),
        CheckConstraint("capacity_clients >= 0 AND capacity_bytes >= 0", name="capacities_not_negative"),
    )

    @property
    def title(self) -> dict[str, Any]:
        return self.location.title

    @property
    def flag(self) -> str:
        return self.location.flag

    @property
    def in_use(self) -> bool:
        return self.mode in (NodeMode.ACTIVE, NodeMode.DRAINING)

    def access(self, vault: Vault) -> PanelAccess:
        """How the panel is reached. Raises Misconfigured when the key it was sealed with is missing."""
        opened = vault.open(self.sealed_access)
        for secret in ("token", "password", "totp"):
            opened[secret] = SecretStr(opened[secret]) if opened.get(secret) else None
        return PanelAccess(**opened)


IN_USE = Node.mode.in_([NodeMode.ACTIVE, NodeMode.DRAINING])


class Inbound(Base):
    """One inbound of a node that keys are put on. `link` is what share links need, without any private key.

    `missing_since`: since when the panel lacks it or has it switched off, although it was chosen.
    """

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
    tags: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    missing_since: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("node_id", "panel_id"), CheckConstraint("port BETWEEN 0 AND 65535", name="port"))

    def take(self, seen: PanelInbound) -> None:
        """Remember the inbound as the panel shows it now."""
        self.protocol, self.transport, self.security = seen.protocol, seen.transport, seen.security
        self.port, self.remark, self.enabled, self.link = seen.port, seen.remark, seen.enabled, dict(seen.link)
        self.missing_since = None

    def shows(self, seen: PanelInbound) -> bool:
        """Whether this is what the panel shows."""
        return (
            (self.protocol, self.transport, self.security) == (seen.protocol, seen.transport, seen.security)
            and (self.port, self.remark, self.enabled) == (seen.port, seen.remark, seen.enabled)
            and self.link == dict(seen.link)
        )


class NodeSample(Base):
    """How a node did at one moment, for the history that an operator looks at.

    `up` and `down` are bytes since the sample before; `used_up` and `used_down` the sums over its keys at this one.
    """

    __tablename__ = "node_samples"

    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    at: Mapped[datetime]
    state: Mapped[str]
    latency_ms: Mapped[int | None]
    clients: Mapped[int]
    online: Mapped[int]
    up: Mapped[int] = mapped_column(BigInteger)
    down: Mapped[int] = mapped_column(BigInteger)
    used_up: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    used_down: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    __table_args__ = (Index("ix_node_samples_node_id_at", "node_id", "at"),)


class FleetEpoch(Base):
    """One row. The number grows with every change of the fleet that may move keys; see `subscriptions.placed_epoch`.

    `sure_since`: since when at least one node answers; NULL while none does, which is likely our own network's fault.
    `told_at`: when the staff were last told of that.
    """

    __tablename__ = "fleet_epoch"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)
    sure_since: Mapped[datetime | None] = mapped_column(server_default=func.now())
    told_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
