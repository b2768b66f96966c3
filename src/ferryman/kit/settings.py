"""Settings of the machine, from the environment (`FERRYMAN_…`) or a `.env` file; a wrong value stops the start.

Business settings (plans, nodes, providers, texts) are not here: they live in the database and change without a restart.
"""

from math import inf
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ferryman.kit.errors import Misconfigured

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """Every variable is `FERRYMAN_` plus the field's name in capitals; the database also answers to `DATABASE_URL`."""

    model_config = SettingsConfigDict(env_prefix="FERRYMAN_", env_file=".env", extra="ignore", populate_by_name=True)

    env: Literal["production", "sandbox"] = Field(
        "production", description="`sandbox` allows emulators and plain-http panels on loopback; never sell with it."
    )
    data_dir: Path = Field(Path("data"), description="Where the embedded database and the generated key are kept.")
    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("FERRYMAN_DATABASE_URL", "DATABASE_URL"),
        description="`postgresql://user:password@host/name` of a PostgreSQL 15 or newer; unset = the embedded one.",
    )
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description="Fernet keys, comma-separated, newest first; unset = one is made and kept in the data folder.",
    )
    telegram_token: SecretStr | None = Field(None, description="The bot's token from @BotFather.")
    telegram_api_base: str = Field("https://api.telegram.org", description="Where the Bot API answers.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port the web server listens on.")
    public_url: str = Field(
        "", description="How the outside world reaches the web server; unset = http://host:port (fine behind nothing)."
    )
    hook_secret: SecretStr | None = Field(
        None, description="What the webhook addresses are derived from, unguessable; unset = made of the secret key."
    )
    operator_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token of `GET /api/overview` and `GET /metrics`; unset = they answer 404.",
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important line shown."
    )
    worker_concurrency: int = Field(
        16, ge=1, le=200, description="Jobs of one kind that a worker process runs at a time."
    )
    audit_seconds: float = Field(
        60.0, ge=10, le=86400, description="How often each node's clients are listed: traffic, limits, changes by hand."
    )
    probe_seconds: float = Field(30.0, ge=5, le=3600, description="How often each node is looked at, about.")
    probe_ports: bool = Field(
        True, description="Whether a look at a node also tries the ports that customers connect to, from this machine."
    )
    quarantine_minutes: float = Field(
        5.0, ge=1, le=1440, description="A node down for this long is taken out, and others serve its customers."
    )
    return_minutes: float = Field(
        2.0, ge=0, le=1440, description="A node taken out comes back once it has been well for this long."
    )
    placement_weights: Annotated[tuple[float, ...], NoDecode] = Field(
        (0.5, 0.3, 0.15, 0.05),
        description="What counts when a node is chosen for a new key, comma-separated: free capacity, response time, "
        "the operator's priority, affinity (a location that the customer has or wants).",
    )
    ended_keys_days: int = Field(
        30, ge=0, le=3650, description="Days that the keys of an ended subscription stay on their panels, expired."
    )
    events_kept_days: int = Field(
        180, ge=7, le=3650, description="Days until the contents of a webhook are taken out; what became of it stays."
    )
    proxy_hops: int = Field(
        0, ge=0, le=5, description="Proxies of yours in front of the web server; 0 = X-Forwarded-For is not believed."
    )
    hooks_per_second: float = Field(
        200.0, gt=0, le=100_000, description="Webhooks taken from one address per second, four times that in a burst."
    )
    refund_keeps_percent: int = Field(
        0, ge=0, le=100, description="What the shop keeps when the unused part of a payment is given back."
    )
    support_contact: str = Field("", description="What the help screen names for questions: @name or an https link.")

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("placement_weights", mode="before")
    @classmethod
    def _split_weights(cls, value: object) -> object:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("placement_weights")
    @classmethod
    def _are_weights(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) != 4 or not all(0 <= weight < inf for weight in value) or not any(value):
            raise ValueError("must be four numbers, none negative and not all zero, such as 0.5,0.3,0.15,0.05")
        return value

    @field_validator("telegram_api_base", "public_url")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address that starts with http:// or https://")
        return value.rstrip("/")

    @field_validator("telegram_token")
    @classmethod
    def _is_bot_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        bot_id, _, rest = value.get_secret_value().partition(":")
        if not bot_id.isdigit() or len(rest) < 30:
            raise ValueError("must look like 123456789:AA…, as @BotFather gives it")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if urlsplit(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("must start with postgresql://")
        return value

    @model_validator(mode="after")
    def _no_emulators_in_production(self) -> "Settings":
        if self.env == "production" and urlsplit(self.telegram_api_base).hostname in LOOPBACK:
            raise ValueError("telegram_api_base: a Bot API on loopback is allowed with FERRYMAN_ENV=sandbox only")
        return self

    @property
    def base_url(self) -> str:
        """Where customers reach the web server, without a trailing slash."""
        return self.public_url or f"http://{self.host}:{self.port}"


def load() -> Settings:
    """Read the environment. Raises Misconfigured that names every wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_sentence(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False)]
        raise Misconfigured(
            "Settings are wrong: " + "; ".join(lines) + ".", "Correct the environment and start again."
        ) from error


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else ""
    variable = name if name.isupper() else f"FERRYMAN_{name.upper()}" if name else "environment"
    return f"{variable} {message.removeprefix('Value error, ')}"
