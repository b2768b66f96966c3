"""The shop file, read: TOML into a `Shop`, with every mistake named."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ferryman.flows.shop.shopspec import Shop
from ferryman.kit.errors import Misconfigured


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
        return Shop.model_validate(resolved(document, environment), context={"folder": path.parent})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_context=False)
        )
        raise Misconfigured(f"{path.name} has mistakes ({wrong}).", fix) from error


def resolved(value: Any, environment: Mapping[str, str]) -> Any:
    """The value with every "env:NAME" in it from the environment. Raises Misconfigured for one that is not set."""
    if isinstance(value, dict):
        return {key: resolved(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, environment) for item in value]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in environment:
            raise Misconfigured(f"A value is to come from {name}, which is not set.", f"Set {name} and try again.")
        return environment[name]
    return value
