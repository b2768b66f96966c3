"""What a person may change while the shop runs; kept in the store."""

import ipaddress
from dataclasses import asdict, dataclass, fields
from typing import Any

from ferryman_sandbox.store import Store

REFUND_MODES = ("succeeded", "pending")


@dataclass
class Settings:
    """`refunds` = "pending" leaves new refunds undecided; `source` is the loopback address notifications come from."""

    notify_url: str = ""
    test: bool = False
    refunds: str = "succeeded"
    source: str = "127.0.0.1"

    @classmethod
    def load(cls, store: Store, notify_url: str | None, test: bool) -> "Settings":
        """What was kept, under a notify_url given now."""
        settings = cls(test=test)
        kept = store.get("settings", "shop") or {}
        if notify_url is not None:
            kept["notify_url"] = notify_url
        settings.change(store, kept)
        return settings

    def change(self, store: Store, given: dict[str, Any]) -> None:
        """Raises ValueError that names the wrong field; nothing is changed then."""
        unknown = set(given) - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        new = asdict(self) | given
        if new["refunds"] not in REFUND_MODES:
            raise ValueError(f"refunds must be one of {', '.join(REFUND_MODES)}")
        if type(new["test"]) is not bool:
            raise ValueError("test must be true or false")
        if not ipaddress.ip_address(new["source"]).is_loopback:
            raise ValueError("source must be a loopback address")
        for name, value in new.items():
            setattr(self, name, value)
        store.put("settings", "shop", new)
