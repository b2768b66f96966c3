"""Who takes money in this world beside the first bank: one line for each emulated service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from ferryman_sandbox.coingate import CoinGateEmulator
from ferryman_sandbox.cryptopay import CryptoPayEmulator
from ferryman_sandbox.emulator import Emulator
from ferryman_sandbox.freekassa import FreekassaEmulator
from ferryman_sandbox.heleket import HeleketEmulator
from ferryman_sandbox.robokassa import RobokassaEmulator
from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe import StripeEmulator

Json = dict[str, Any]

GROUP = "ferryman.payments"
MERCHANT = "8b03432e-385b-4670-8d06-064591096795"


@dataclass(frozen=True)
class Till:
    """One service. `emulator` is made from its store, a made-up key, and where its webhooks go; `config` is what the
    shop's file says of it, from its address and the same key."""

    name: str
    title: str
    emulator: Callable[[Store, str, str], Emulator]
    config: Callable[[str, str], Json]


TILLS = (
    Till(
        "coingate",
        "🪙 CoinGate",
        lambda store, key, _: CoinGateEmulator(store, token=key),
        lambda url, key: {"api_token": key, "api_base": f"{url}/api/v2"},
    ),
    Till(
        "cryptopay",
        "💎 Crypto Pay",
        lambda store, key, hook: CryptoPayEmulator(store, token=f"12345:AA{key}", notify_url=hook),
        lambda url, key: {"token": f"12345:AA{key}", "api_base": f"{url}/api"},
    ),
    Till(
        "heleket",
        "💠 Heleket",
        lambda store, key, _: HeleketEmulator(store, merchant=MERCHANT, payment_key=key),
        lambda url, key: {"merchant": MERCHANT, "payment_key": key, "api_base": f"{url}/v1"},
    ),
    Till(
        "stripe",
        "🟣 Stripe",
        lambda store, key, hook: StripeEmulator(
            store, secret_key=f"sk_test_{key}", webhook_secret=f"whsec_{key}", notify_url=hook
        ),
        lambda url, key: {"secret_key": f"sk_test_{key}", "webhook_secret": f"whsec_{key}", "api_base": f"{url}/v1"},
    ),
    Till(
        "robokassa",
        "🤖 Robokassa",
        lambda store, key, hook: RobokassaEmulator(
            store, login="harbour", password_1=f"one{key}", password_2=f"two{key}", notify_url=hook
        ),
        lambda url, key: {
            "login": "harbour",
            "password_1": f"one{key}",
            "password_2": f"two{key}",
            "test": True,
            "api_base": url,
        },
    ),
    Till(
        "freekassa",
        "🆓 Freekassa",
        lambda store, key, hook: FreekassaEmulator(
            store, api_key=key, secret_word_1=f"one{key}", secret_word_2=f"two{key}", notify_url=hook
        ),
        lambda url, key: {
            "shop_id": 777,
            "api_key": key,
            "secret_word_1": f"one{key}",
            "secret_word_2": f"two{key}",
            "api_base": f"{url}/v1",
            "page": url,
        },
    ),
)


def knows(name: str) -> bool:
    """Whether the installed product can collect by that provider."""
    return name in entry_points(group=GROUP).names


def offered() -> tuple[Till, ...]:
    """Those that the installed product knows how to collect by."""
    return tuple(till for till in TILLS if knows(till.name))


def configured(addresses: Mapping[str, str], keys: Mapping[str, str]) -> list[Json]:
    """What the shop's file says of them, in the order of the table; of Stars, which the messenger itself takes, and of
    the balance."""
    own: list[Json] = [{"name": name, "enabled": True, "config": {}} for name in ("stars", "balance") if knows(name)]
    return own + [
        {"name": till.name, "enabled": True, "config": till.config(addresses[till.name], keys[till.name])}
        for till in TILLS
        if till.name in addresses
    ]
