"""What this world consists of: three nodes, three plans, one shop; as the product wants to read it."""

import base64
import hmac
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferryman_sandbox.world.tills import configured
from ferryman_sandbox.xui.specs import InboundSpec, trojan_tls, vless_reality, vless_ws_tls

SHOP_ID = "100500"


@dataclass(frozen=True)
class Place:
    """One node: its panel is an emulator, its customers' keys point at loopback."""

    name: str
    country: str
    flag: str
    title: dict[str, str]
    city: dict[str, str]
    inbounds: list[InboundSpec]

    @property
    def base_path(self) -> str:
        return f"/harbour-{self.name}/"


PLACES = (
    Place(
        "de-1",
        "DE",
        "🇩🇪",
        {"ru": "Германия", "en": "Germany"},
        {"ru": "Франкфурт", "en": "Frankfurt"},
        [vless_reality(port=21443, seed="de-1"), vless_ws_tls(port=21444, domain="de-1.example.net")],
    ),
    Place(
        "nl-1",
        "NL",
        "🇳🇱",
        {"ru": "Нидерланды", "en": "Netherlands"},
        {"ru": "Амстердам", "en": "Amsterdam"},
        [vless_ws_tls(port=22443, domain="nl-1.example.net")],
    ),
    Place(
        "fi-1",
        "FI",
        "🇫🇮",
        {"ru": "Финляндия", "en": "Finland"},
        {"ru": "Хельсинки", "en": "Helsinki"},
        [trojan_tls(port=23443, domain="fi-1.example.net")],
    ),
)


def _prices(roubles: int, stars: int) -> dict[str, str]:
    """A term's price in every currency that somebody here takes; the euro is worth a hundred roubles."""
    return {"RUB": f"{roubles}.00", "EUR": f"{roubles / 100:.2f}", "XTR": str(stars)}


PLANS: tuple[dict[str, Any], ...] = (
    {
        "code": "standard",
        "icon": "⛵",
        "title": {"ru": "Стандарт", "en": "Standard"},
        "description": {"ru": "100 ГБ в месяц, три устройства", "en": "100 GB a month, three devices"},
        "traffic_gb": 100,
        "devices": 3,
        "terms": ((30, _prices(199, 150)), (90, _prices(549, 400)), (365, _prices(1990, 1500))),
    },
    {
        "code": "unlimited",
        "icon": "🚀",
        "title": {"ru": "Безлимит", "en": "Unlimited"},
        "description": {"ru": "Без ограничений, пять устройств", "en": "No limits, five devices"},
        "traffic_gb": 0,
        "devices": 5,
        "terms": ((30, _prices(349, 260)), (90, _prices(949, 700)), (365, _prices(3490, 2600))),
    },
    {
        "code": "one-place",
        "icon": "🧭",
        "title": {"ru": "Одна страна", "en": "One country"},
        "description": {
            "ru": "Одна локация на выбор, меняйте когда угодно",
            "en": "One location of your choice, changed whenever you like",
        },
        "traffic_gb": 50,
        "devices": 2,
        "places": {"one": "all", "switch_hours": 0},
        "terms": ((30, _prices(99, 75)), (90, _prices(269, 200))),
    },
)


@dataclass(frozen=True)
class Addresses:
    """Where everything listens; no trailing slashes. `tills` are the services beside the first bank, by provider."""

    page: str
    telegram: str
    yookassa: str
    panels: dict[str, str]
    product: str
    tills: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Secrets:
    """Made up once per world; they open nothing outside it."""

    bot_token: str
    shop_key: str
    panel_tokens: dict[str, str]
    operator: str
    hook: str
    tills: dict[str, str] = field(default_factory=dict)


def configuration(addresses: Addresses, secrets: Secrets) -> str:
    """The text of `world.toml`."""
    parts = [_node(place, addresses.panels[place.name], secrets.panel_tokens[place.name]) for place in PLACES]
    parts += [_plan(plan) for plan in PLANS]
    shop = {
        "shop_id": SHOP_ID,
        "secret_key": secrets.shop_key,
        "api_base": f"{addresses.yookassa}/v3",
        "return_url": f"{addresses.page}/back",
    }
    parts.append(_table("providers", {"name": "yookassa", "enabled": True, "config": shop}))
    parts += [_table("providers", till) for till in configured(addresses.tills, secrets.tills)]
    return "\n".join(parts)


def hook_url(addresses: Addresses, secrets: Secrets, provider: str = "yookassa") -> str:
    """Where the product hears of a provider: docs/http.md says how the last part comes about."""
    about = f"ferryman webhooks of {provider}".encode()
    key = base64.urlsafe_b64encode(hmac.digest(secrets.hook.encode(), about, "sha256")[:24]).decode()
    return f"{addresses.product}/hooks/{provider}/{key}"


def variables(folder: Path, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """The product's environment."""
    return {
        "FERRYMAN_ENV": "sandbox",
        "FERRYMAN_DATA_DIR": str(folder / "ferryman"),
        "FERRYMAN_TELEGRAM_TOKEN": secrets.bot_token,
        "FERRYMAN_TELEGRAM_API_BASE": addresses.telegram,
        "FERRYMAN_HOST": "127.0.0.1",
        "FERRYMAN_PORT": addresses.product.rsplit(":", 1)[1],
        "FERRYMAN_PUBLIC_URL": addresses.product,
        "FERRYMAN_OPERATOR_TOKEN": secrets.operator,
        "FERRYMAN_HOOK_SECRET": secrets.hook,
        "FERRYMAN_LOG_FORMAT": "json",
        # Nothing listens behind an emulated inbound.
        "FERRYMAN_PROBE_PORTS": "false",
    }


def surroundings() -> dict[str, str]:
    """What a child process needs of ours to live; a database or a shop of this user's stays out of it."""
    return {
        name: value for name, value in os.environ.items() if name != "DATABASE_URL" and not name.startswith("FERRYMAN_")
    }


def _node(place: Place, panel: str, token: str) -> str:
    return _table(
        "nodes",
        {
            "name": place.name,
            "title": place.title,
            "country": place.country,
            "city": place.city,
            "panel": "xui",
            "url": f"{panel}{place.base_path}",
            "token": token,
            "address": "127.0.0.1",
            "inbounds": "all",
        },
    )


def _plan(plan: dict[str, Any]) -> str:
    facts = {name: value for name, value in plan.items() if name != "terms"}
    terms = [_table("plans.terms", {"days": days, "prices": prices}) for days, prices in plan["terms"]]
    return "\n".join([_table("plans", facts), *terms])


def _table(name: str, values: dict[str, Any]) -> str:
    return "\n".join([f"[[{name}]]", *(f"{key} = {_toml(value)}" for key, value in values.items()), ""])


def _toml(value: Any) -> str:
    """Strings, whole numbers, truth values, flat tables: all that is needed here. JSON's strings are TOML's too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
