"""Payment methods: which providers the operator has switched on, with their sealed configuration."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr, ValidationError
from sqlalchemy import ForeignKey, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ferryman.billing.provider import InHouse, Offered, ProviderTools, Told
from ferryman.kit import log
from ferryman.kit.db import Base
from ferryman.kit.errors import Misconfigured
from ferryman.kit.secrets import Vault


class Method(Base):
    """Switching one off stops new payments only; what is open is still asked about and settled.

    `denied_at`: since when the provider does not accept our credentials, which stops new payments as well.
    """

    __tablename__ = "payment_methods"

    name: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)
    sealed_config: Mapped[bytes]
    denied_at: Mapped[datetime | None]


class ChosenWay(Base):
    """What the operator has set for one of a provider's ways to pay; None = as the provider has it."""

    __tablename__ = "payment_ways"

    provider: Mapped[str] = mapped_column(ForeignKey("payment_methods.name"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)
    icon: Mapped[str | None]
    title: Mapped[dict[str, Any] | None]


async def enabled(session: AsyncSession) -> list[str]:
    """Names of the methods that are switched on, in the operator's order."""
    names = await session.scalars(select(Method.name).where(Method.enabled).order_by(Method.position, Method.name))
    return list(names)


async def denying(session: AsyncSession, until: datetime | None = None) -> list[str]:
    """Names of those that do not accept our credentials, on or off; with `until`, not since then or longer."""
    found = select(Method.name).where(Method.denied_at.is_not(None)).order_by(Method.name)
    return list(await session.scalars(found if until is None else found.where(Method.denied_at <= until)))


async def denied(session: AsyncSession, name: str, now: datetime) -> bool:
    """Write down that it does not accept our credentials; whether that is new."""
    before = (Method.name == name, Method.denied_at.is_(None))
    new = update(Method).where(*before).values(denied_at=now).returning(Method.name)
    return await session.scalar(new) is not None


async def let_in(session: AsyncSession, name: str) -> None:
    """Write down that it accepts them."""
    await session.execute(update(Method).where(Method.name == name).values(denied_at=None))


async def connect(
    session: AsyncSession, name: str, installed: Mapping[str, type[Offered]], vault: Vault, tools: ProviderTools
) -> Offered:
    """The provider of that name, made with its stored configuration; one that has nothing to be told needs none stored.

    Raises Misconfigured when it is not installed, not configured, or configured wrongly.
    """
    kind = installed.get(name)
    if kind is None:
        raise Misconfigured(
            f"No payment provider {name!r} is installed.", f"Installed are: {', '.join(sorted(installed))}."
        )
    method = await session.get(Method, name)
    if method is None and issubclass(kind, (InHouse, Told)):
        return kind(checked_config(kind, {}), tools)
    if method is None:
        raise Misconfigured(
            f"The payment provider {name!r} is not configured.", "Add it to the file for `ferryman apply`."
        )
    return kind(checked_config(kind, vault.open(method.sealed_config)), tools)


def checked_config(kind: type[Offered], values: dict[str, Any]) -> Any:
    """The provider's own settings model. Raises Misconfigured that names each wrong field, never its value."""
    try:
        config = kind.Config.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_context=False)
        )
        raise Misconfigured(
            f"The settings of {kind.name} are wrong ({wrong}).",
            f"Correct them; it has: {', '.join(kind.Config.model_fields) or 'none'}.",
        ) from error
    # A service may repeat in its answer what it was sent, and its answer is quoted in the log.
    log.redactor.also_hide(value.get_secret_value() for _, value in config if isinstance(value, SecretStr))
    return config
