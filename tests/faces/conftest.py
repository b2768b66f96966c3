"""A person at the command line, beside a small world to set up."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ferryman.flows.tools import Tools
from ferryman.kit.settings import Settings
from tests.faces.shell import TOKEN, Shell
from tests.support.chat import Messenger, messenger
from tests.support.shop import Town, opened


@pytest.fixture
async def bot_api() -> AsyncIterator[Messenger]:
    world = await messenger()
    yield world
    await world.server.stop()


@pytest.fixture
def shell(tmp_path: Path, settings: Settings, database_url: str, bot_api: Messenger) -> Shell:
    """Everything is set as it should be, with the same database and keys as `tools` has."""
    return Shell(
        tmp_path,
        {
            "FERRYMAN_ENV": "sandbox",
            "FERRYMAN_DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": database_url,
            "FERRYMAN_SECRET_KEYS": ",".join(key.get_secret_value() for key in settings.secret_keys),
            "FERRYMAN_TELEGRAM_TOKEN": TOKEN,
            "FERRYMAN_TELEGRAM_API_BASE": bot_api.url,
            "FERRYMAN_OPERATOR_TOKEN": "operator-token-of-the-tests",
            "FERRYMAN_PROBE_PORTS": "false",
        },
    )


@pytest.fixture
async def shop(tools: Tools) -> AsyncIterator[Town]:
    """One bank and three panels, set up already."""
    async with opened(tools) as world:
        yield world


def toml(spec: dict[str, Any]) -> str:
    """A shop file of this content. JSON's strings and lists are TOML's too."""
    lines = []
    for kind, parts in spec.items():
        for part in parts:
            lines.append(f"[[{kind}]]")
            lines += [f"{name} = {_value(value)}" for name, value in part.items()]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(part) for part in value) + "]"
    return json.dumps(value, ensure_ascii=False)
