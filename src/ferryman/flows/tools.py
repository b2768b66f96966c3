"""What a story may use: built once by wiring, handed to every flow."""

from collections.abc import Mapping
from dataclasses import dataclass

from ferryman.billing.provider import Offered, ProviderTools
from ferryman.billing.telegram import TelegramAccess
from ferryman.fleet.connections import Connections
from ferryman.kit.clock import Clock
from ferryman.kit.db import Database
from ferryman.kit.http import Http
from ferryman.kit.jobs import Jobs
from ferryman.kit.secrets import Vault, derived
from ferryman.kit.settings import Settings
from ferryman.messaging.sender import Sender


@dataclass
class Tools:
    """`providers` are the installed ones by name; `sender` is None where no bot token is set. `hook_secret` is what the
    secrets in the webhook addresses are derived from, and stands in none of them."""

    settings: Settings
    db: Database
    jobs: Jobs
    clock: Clock
    http: Http
    vault: Vault
    providers: Mapping[str, type[Offered]]
    connections: Connections
    hook_secret: str
    sender: Sender | None = None

    def hook_key(self, provider: str) -> str:
        """The last part of this provider's webhook address. A provider that lets it out opens no other's."""
        return derived(self.hook_secret, f"ferryman webhooks of {provider}")

    def hook_url(self, provider: str) -> str:
        """Where a provider is to send its webhooks; the last part is a secret, for the operator's eyes."""
        return f"{self.settings.base_url}/hooks/{provider}/{self.hook_key(provider)}"

    @property
    def provider_tools(self) -> ProviderTools:
        token, sandbox = self.settings.telegram_token, self.settings.env == "sandbox"
        telegram = None if token is None else TelegramAccess(self.settings.telegram_api_base.rstrip("/"), token)
        return ProviderTools(self.http, self.clock, sandbox, telegram, self.settings.base_url)
