"""YooKassa's answers as they look on the wire, and the emulated shop through other eyes."""

from typing import Any

from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.kit.clock import Clock
from tests.billing.providers.recorder import Scripted
from tests.billing.providers.world import Control, emulator_tools
from tests.billing.providers.worlds import EMULATED_KEY

ID = "22e12f66-000f-5000-8000-18db351245c7"
PAGE_URL = "https://yoomoney.example/checkout?orderId=22e12f66"


def payment(**changes: Any) -> dict[str, Any]:
    """A payment as the API shows it while it waits for its payer."""
    return {
        "id": ID,
        "status": "pending",
        "paid": False,
        "amount": {"value": "199.00", "currency": "RUB"},
        "confirmation": {"type": "redirect", "confirmation_url": PAGE_URL},
        "created_at": "2026-01-18T10:51:18.139Z",
        "metadata": {"payment_id": "ours"},
        "recipient": {"account_id": "100500", "gateway_id": "100700"},
        "refundable": False,
        "test": True,
    } | changes


def refusal(status: int, code: str, **more: Any) -> Scripted:
    return Scripted(status, {"type": "error", "id": "e", "code": code, "description": "No."} | more)


def at(control: Control, clock: Clock, **settings: Any) -> YooKassa:
    """The emulated shop, seen by somebody with another clock."""
    config = {"shop_id": "100500", "secret_key": EMULATED_KEY, "api_base": f"{control.url}/v3"} | settings
    return YooKassa(ShopConfig.model_validate(config), emulator_tools(control.http, clock))
