"""What a person may change while the shop runs; kept in the store."""

import ipaddress
from dataclasses import asdict, dataclass, fields
from typing import Any

from ferryman_sandbox.store import Store
from ferryman_sandbox.yookassa.payment import PAYER_REASONS

REFUND_MODES = ("succeeded", "pending")
CHARGE_MODES = ("succeeded", "pending", *PAYER_REASONS)


@dataclass
class Settings:
    """`source` is the loopback address that notifications come from.

    `refunds` = "pending" leaves new refunds undecided. `charges` is what becomes of charging a saved method: it is
    paid, left pending, or declined for the reason named. `keeping` off: methods may not be saved, as in a live shop
    that has not agreed upon it with the service.
    """

    test: bool = False
    refunds: str = "succeeded"
    charges: str = "succeeded"
    keeping: bool = True
    source: str = "127.0.0.1"

    @classmethod
    def load(cls, store: Store, test: bool) -> "Settings":
        """What was kept."""
        settings = cls(test=test)
        settings.change(store, store.get("settings", "shop") or {})
        return settings

    def change(self, store: Store, given: dict[str, Any]) -> None:
        """Raises ValueError that names the wrong field; nothing is changed then."""
        unknown = set(given) - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        new = asdict(self) | given
        if new["refunds"] not in REFUND_MODES:
            raise ValueError(f"refunds must be one of {', '.join(REFUND_MODES)}")
        if new["charges"] not in CHARGE_MODES:
            raise ValueError(f"charges must be one of {', '.join(CHARGE_MODES)}")
        for switch in ("test", "keeping"):
            if type(new[switch]) is not bool:
                raise ValueError(f"{switch} must be true or false")
        if not ipaddress.ip_address(new["source"]).is_loopback:
            raise ValueError("source must be a loopback address")
        for name, value in new.items():
            setattr(self, name, value)
        store.put("settings", "shop", new)
