"""Set the shop up: nodes, plans and payment methods from one file, each checked before it is kept.

Applying the same file twice changes nothing. What the file does not name stays as it is.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import methods
from ferryman.billing.methods import Method
from ferryman.catalog.plan import GIGABYTE, Plan, Price, Term
from ferryman.fleet import keyring
from ferryman.fleet.location import Location
from ferryman.fleet.node import Inbound, Node, NodeMode, NodeState
from ferryman.fleet.panel import PanelAccess, PanelInbound
from ferryman.flows import provisioning
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Misconfigured
from ferryman.kit.money import Money
from ferryman.people.customer import LANGUAGES

_log = log.get("setup")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _in_every_language(texts: dict[str, str]) -> dict[str, str]:
    missing = [language for language in LANGUAGES if not texts.get(language)]
    if missing:
        raise ValueError(f"needs a text for: {', '.join(missing)}")
    return texts


Texts = Annotated[dict[str, str], AfterValidator(_in_every_language)]


def _given(secret: SecretStr | None) -> bool:
    """Whether there is anything in it: a variable may be set and empty."""
    return secret is not None and bool(secret.get_secret_value())


class NodeSpec(_Strict):
    """One node; `enabled = false` takes it out of use.

    Nodes that name the same `location` stand in one place, which takes its title, city and country from the last.
    `inbounds` is "all" or a list of the panel's inbound ids; `address` is what customers connect to.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    title: Texts
    city: dict[str, str] = Field(default_factory=dict)
    country: str = Field(pattern=r"^[A-Z]{2}$")
    location: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]{0,30})?$")
    panel: str = "xui"
    url: str = Field(pattern=r"^https?://[^/\s]")
    token: SecretStr | None = None
    username: str = ""
    password: SecretStr | None = None
    address: str = Field(min_length=1)
    enabled: bool = True
    inbounds: Literal["all"] | list[int] = "all"
    pin: str = ""
    insecure: bool = False

    @model_validator(mode="after")
    def _has_credentials(self) -> "NodeSpec":
        if not _given(self.token) and not (self.username and _given(self.password)):
            raise ValueError("give a token, or a username and a password")
        return self

    def sealed(self) -> dict[str, Any]:
        """How the panel is reached, as it is kept (encrypted) in the database."""
        access = PanelAccess(self.url, self.token, self.username, self.password, self.pin, self.insecure)
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in asdict(access).items()
        }


class TermSpec(_Strict):
    days: int = Field(gt=0, le=3650)
    prices: dict[str, str] = Field(min_length=1)

    @property
    def money(self) -> list[Money]:
        return [Money.parse(amount, currency) for currency, amount in self.prices.items()]

    @model_validator(mode="after")
    def _has_prices(self) -> "TermSpec":
        free = [str(one) for one in self.money if one.minor <= 0]
        if free:
            raise ValueError(f"a price must be more than zero ({', '.join(free)} for {self.days} days)")
        return self


class PlanSpec(_Strict):
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    icon: str = "🚀"
    title: Texts
    description: dict[str, str] = Field(default_factory=dict)
    traffic_gb: int = Field(0, ge=0, le=1_000_000)
    devices: int = Field(0, ge=0, le=1000)
    terms: list[TermSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_each_term_once(self) -> "PlanSpec":
        _once("term", [f"{term.days} days" for term in self.terms])
        return self


class ProviderSpec(_Strict):
    name: str
    enabled: bool = True
    config: dict[str, Any]


class Shop(_Strict):
    """The whole file."""

    nodes: list[NodeSpec] = Field(default_factory=list)
    plans: list[PlanSpec] = Field(default_factory=list)
    providers: list[ProviderSpec] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_each_name_once(self) -> "Shop":
        _once("node", [node.name for node in self.nodes])
        _once("plan", [plan.code for plan in self.plans])
        _once("provider", [provider.name for provider in self.providers])
        return self


def _once(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"more than one {what} {', '.join(twice)}")


@dataclass(frozen=True)
class Done:
    """One line of the report: what was set, and what was found while checking it."""

    what: str
    found: str


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Shop:
    """Read and validate a shop file. Values "env:NAME" are taken from the environment.

    Raises Misconfigured that names the file and each wrong field, never its value.
    """
    fix = f"Correct {path.name} and apply it again."
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Misconfigured(f"There is no file {path}.", "Give the path of the shop file.") from error
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read ({error.strerror}).", "Give the path of the shop file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path.name} is not TOML ({error}).", fix) from error
    try:
        return Shop.model_validate(_resolved(document, environment))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_context=False)
        )
        raise Misconfigured(f"{path.name} has mistakes ({wrong}).", fix) from error


def _resolved(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, environment) for item in value]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in environment:
            raise Misconfigured(
                f"The file takes a value from {name}, which is not set.", f"Set {name} and apply again."
            )
        return environment[name]
    return value


async def apply(tools: Tools, shop: Shop) -> list[Done]:
    """Keep everything in the file, each part in a transaction of its own, so that one bad node does not stop the rest.

    Raises Misconfigured at the end when some part could not be kept; its text has a line for each.
    """
    done: list[Done] = []
    failed: list[str] = []
    parts = [(f"plan {plan.code}", _keep_plan(tools, plan, place)) for place, plan in enumerate(shop.plans)]
    parts += [(f"provider {one.name}", _keep_provider(tools, one, place)) for place, one in enumerate(shop.providers)]
    parts += [(f"node {node.name}", _keep_node(tools, node, place)) for place, node in enumerate(shop.nodes)]
    for what, keeping in parts:
        try:
            done.append(Done(what, await keeping))
            _log.info("applied", what=what)
        except (FerrymanError, ValueError) as error:
            failed.append(f"{what}: {error}")
    if failed:
        kept = f" Kept: {', '.join(one.what for one in done)}." if done else ""
        raise Misconfigured("Not everything could be applied. " + " ".join(failed), f"Apply again when mended.{kept}")
    return done


async def _keep_plan(tools: Tools, spec: PlanSpec, position: int) -> str:
    prices = {term.days: term.money for term in spec.terms}
    async with tools.db.unit() as session:
        plan = await session.scalar(select(Plan).where(Plan.code == spec.code))
        if plan is None:
            plan = Plan(code=spec.code, terms=[])
            session.add(plan)
        plan.icon, plan.title, plan.description = spec.icon, spec.title, spec.description
        plan.traffic_bytes, plan.devices = spec.traffic_gb * GIGABYTE, spec.devices
        plan.position, plan.active = position, True
        known = {term.days: term for term in plan.terms}
        for days, money in prices.items():
            term = known.get(days) or Term(days=days, prices=[])
            term.active = True
            if days not in known:
                plan.terms.append(term)
            await session.flush()
            await _reprice(session, term, money)
        for days, term in known.items():
            term.active = days in prices
    return f"{len(prices)} terms"


async def _reprice(session: AsyncSession, term: Term, wanted: list[Money]) -> None:
    known = {price.currency: price for price in term.prices}
    for money in wanted:
        if money.currency in known:
            known[money.currency].minor = money.minor
        else:
            term.prices.append(Price(currency=money.currency, minor=money.minor))
    names = {money.currency for money in wanted}
    for currency, price in known.items():
        if currency not in names:
            term.prices.remove(price)
    await session.flush()


async def _keep_provider(tools: Tools, spec: ProviderSpec, position: int) -> str:
    kind = tools.providers.get(spec.name)
    if kind is None:
        raise Misconfigured(
            f"No provider {spec.name!r} is installed.", f"Installed: {', '.join(sorted(tools.providers))}."
        )
    provider = kind(methods.checked_config(kind, spec.config), tools.provider_tools)
    found = await provider.check() if spec.enabled else "switched off"
    async with tools.db.unit() as session:
        method = await session.get(Method, spec.name)
        if method is None:
            method = Method(name=spec.name)
            session.add(method)
        method.enabled, method.position = spec.enabled, position
        method.sealed_config = tools.vault.seal(spec.config)
    return f"{found}; its webhooks go to {tools.hook_url(spec.name)}"


async def _keep_node(tools: Tools, spec: NodeSpec, position: int) -> str:
    """Log in, read the version, list the inbounds; keep nothing about a node whose panel does not answer rightly."""
    sealed = tools.vault.seal(spec.sealed())
    trial = Node(panel=spec.panel, sealed_access=sealed)
    panel = tools.connections.trial(spec.panel, trial)
    report = await panel.probe()
    chosen = _chosen(spec, await panel.inbounds())
    async with tools.db.unit() as session:
        found = await session.scalar(select(Node).where(Node.name == spec.name))
        new = found is None
        node = found or Node(name=spec.name, inbounds=[])
        changed = new or not node.in_use or tools.vault.open(node.sealed_access) != spec.sealed()
        node.location = await _keep_location(session, spec, position)
        node.panel, node.address, node.position = spec.panel, spec.address, position
        node.panel_version, node.checked_at = report.version, tools.clock.now()
        node.failures, node.trouble, node.try_at = 0, None, None
        node.state, node.mode = NodeState.HEALTHY, NodeMode.ACTIVE if spec.enabled else NodeMode.OFF
        if changed:
            node.sealed_access = sealed
        session.add(node)
        await session.flush()
        changed |= keep_inbounds(session, node, chosen)
        await session.flush()
        if changed:
            await keyring.doubt(session, node.id, tools.clock.now())
        await provisioning.wake(tools, session, node.id)
    core = "core runs" if report.core_running else "CORE DOES NOT RUN"
    return f"panel {report.version}, {core}, inbounds {', '.join(str(one.panel_id) for one in chosen)}"


async def _keep_location(session: AsyncSession, spec: NodeSpec, position: int) -> Location:
    """Where the node stands, under the location's own code, or the node's name when it is the only one there."""
    code = spec.location or spec.name
    location = await session.scalar(select(Location).where(Location.code == code))
    if location is None:
        location = Location(code=code, position=position)
        session.add(location)
    location.title, location.city, location.country = spec.title, spec.city, spec.country
    return location


def _chosen(spec: NodeSpec, offered: Any) -> list[PanelInbound]:
    by_id = {inbound.panel_id: inbound for inbound in offered}
    if spec.inbounds == "all":
        chosen = [inbound for inbound in offered if inbound.enabled]
    else:
        missing = [str(number) for number in spec.inbounds if number not in by_id]
        if missing:
            raise Misconfigured(
                f"Node {spec.name}: the panel has no inbound {', '.join(missing)}.",
                f"It has: {', '.join(f'{one.panel_id} ({one.remark})' for one in offered) or 'none'}.",
            )
        chosen = [by_id[number] for number in spec.inbounds]
    if not chosen:
        raise Misconfigured(f"Node {spec.name}: the panel has no enabled inbound.", "Make one in the panel first.")
    return chosen


def keep_inbounds(session: AsyncSession, node: Node, chosen: list[PanelInbound]) -> bool:
    """Make the node's rows the chosen inbounds; whether keys must follow. Those no longer chosen stay, disabled."""
    before = {inbound.panel_id for inbound in node.inbounds if inbound.enabled}
    known = {inbound.panel_id: inbound for inbound in node.inbounds}
    for seen in chosen:
        inbound = known.get(seen.panel_id)
        if inbound is None:
            inbound = Inbound(node_id=node.id, panel_id=seen.panel_id)
            session.add(inbound)
        inbound.take(seen)
    wanted = {seen.panel_id for seen in chosen}
    for panel_id, inbound in known.items():
        inbound.enabled = inbound.enabled and panel_id in wanted
    return before != {seen.panel_id for seen in chosen if seen.enabled}
