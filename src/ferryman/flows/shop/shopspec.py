"""What a shop file may say: nodes, plans and payment methods, each field with its limits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ferryman.catalog.plan import EVERYWHERE, GIGABYTE
from ferryman.fleet.panel import PanelAccess
from ferryman.fleet.wish import COUNTRY, NAME, Place, Wanted, Wish
from ferryman.kit.money import Money
from ferryman.people.customer import LANGUAGES

_LONGEST_SWITCH_HOURS = 24 * 366

Name = Annotated[str, Field(pattern=f"^{NAME}$")]


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


class InboundSpec(_Strict):
    """One of the panel's inbounds by its id, with tags of its own."""

    id: int
    tags: list[str] = Field(default_factory=list)


class NodeSpec(_Strict):
    """One node; `enabled = false` takes it out of use, `true` back into it, without it that stays as it is.

    Nodes that name the same `location` stand in one place, which takes its title, city and country from the last.
    `inbounds` is "all" that customers can use, or a list of the panel's ids, bare or with tags; `tags` are for all of
    the node's. `address` is what customers connect to; `ca` is PEM, or the path of such a file beside this one.
    """

    name: Name
    title: Texts
    city: dict[str, str] = Field(default_factory=dict)
    country: str = Field(pattern=f"^{COUNTRY}$")
    location: str = Field("", pattern=f"^({NAME})?$")
    panel: str = "xui"
    url: str = Field(pattern=r"^https?://[^/\s]")
    token: SecretStr | None = None
    username: str = ""
    password: SecretStr | None = None
    totp: SecretStr | None = None
    address: str = Field(min_length=1)
    enabled: bool | None = None
    inbounds: Literal["all"] | list[int | InboundSpec] = "all"
    tags: list[str] | None = None
    priority: int | None = Field(None, ge=0, le=100)
    capacity_clients: int | None = Field(None, ge=0, le=10_000_000)
    capacity_gb: int | None = Field(None, ge=0, le=10_000_000)
    pin: str = ""
    ca: str = ""
    insecure: bool = False

    @field_validator("ca")
    @classmethod
    def _read_authority(cls, value: str, info: ValidationInfo) -> str:
        if not value or "-----BEGIN" in value:
            return value
        folder = info.context["folder"] if info.context else Path()
        try:
            return Path(folder, value).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"there is no certificate (PEM) to be read in {value}") from error

    @model_validator(mode="after")
    def _has_credentials(self) -> "NodeSpec":
        if not _given(self.token) and not (self.username and _given(self.password)):
            raise ValueError("give a token, or a username and a password")
        return self

    @property
    def place(self) -> str:
        """The code of its location: its own name when it is the only one there."""
        return self.location or self.name

    def wish(self, position: int) -> Wish:
        """Raises Misconfigured for what cannot be."""
        return Wish(
            name=self.name,
            panel=self.panel,
            access=self._access,
            address=self.address,
            place=Place(self.place, self.country, self.title, self.city),
            inbounds=self._wanted,
            tags=self._own_tags,
            common_tags=self.tags,
            enabled=self.enabled,
            position=position,
            priority=self.priority,
            capacity_clients=self.capacity_clients,
            capacity_bytes=None if self.capacity_gb is None else self.capacity_gb * GIGABYTE,
        )

    @property
    def _access(self) -> PanelAccess:
        token, password, totp = (s if _given(s) else None for s in (self.token, self.password, self.totp))
        return PanelAccess(self.url, token, self.username, password, self.pin, self.insecure, totp, self.ca)

    @property
    def _wanted(self) -> Wanted:
        if self.inbounds == "all":
            return "all"
        return [one if isinstance(one, int) else one.id for one in self.inbounds]

    @property
    def _own_tags(self) -> dict[int, list[str]]:
        specs = [] if self.inbounds == "all" else self.inbounds
        return {one.id: one.tags for one in specs if isinstance(one, InboundSpec)}


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


class OnePlaceSpec(_Strict):
    """One location of the customer's choice, among these or all; changed once in so many hours, 0 = at any time."""

    one: Literal["all"] | list[Name]
    switch_hours: int = Field(24, ge=0, le=_LONGEST_SWITCH_HOURS)


class PlanSpec(_Strict):
    """`places` says where keys are: "all", a list of locations' codes, or `{ one = […], switch_hours = 24 }`."""

    code: Name
    icon: str = "🚀"
    title: Texts
    description: dict[str, str] = Field(default_factory=dict)
    traffic_gb: int = Field(0, ge=0, le=1_000_000)
    devices: int = Field(0, ge=0, le=1000)
    places: Literal["all"] | list[Name] | OnePlaceSpec = "all"
    terms: list[TermSpec] = Field(min_length=1)

    @field_validator("places")
    @classmethod
    def _names_places(cls, value: Any) -> Any:
        codes = value.one if isinstance(value, OnePlaceSpec) else value
        if codes != "all":
            if not codes:
                raise ValueError('name at least one location, or say "all"')
            _once("location", codes)
        return value

    @model_validator(mode="after")
    def _has_each_term_once(self) -> "PlanSpec":
        _once("term", [f"{term.days} days" for term in self.terms])
        return self

    @property
    def place_codes(self) -> Sequence[str]:
        """The locations it names, none when it means all of them."""
        codes = self.places.one if isinstance(self.places, OnePlaceSpec) else self.places
        return [] if codes == "all" else codes

    @property
    def rule(self) -> dict[str, Any]:
        """`places` as plans keep it."""
        if isinstance(self.places, OnePlaceSpec):
            return {"rule": "one", "codes": list(self.place_codes), "switch_hours": self.places.switch_hours}
        return {"rule": "these", "codes": list(self.place_codes)} if self.place_codes else dict(EVERYWHERE)


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


def _once(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"more than one {what} {', '.join(twice)}")
