"""Writes docs/settings.md from the settings themselves; a test fails when the two differ."""

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ferryman.kit.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs/settings.md"

HEAD = """\
# Settings

<!-- Written by `make docs` from src/ferryman/kit/settings.py; edit the descriptions there. -->

What belongs to the machine is set by environment variables, or by the same lines in a file `.env` in the folder where
Ferryman starts (the environment wins). A wrong value stops the start and is named. What belongs to the business (plans,
nodes, payment methods) is not here: it lives in the database, and [`ferryman apply`](operations.md#ferrymantoml)
writes it.

| variable | default | meaning |
|---|---|---|
"""


def variable(name: str, field: FieldInfo) -> str:
    """What the operator writes; an alias that is shorter is named beside it."""
    choices = getattr(field.validation_alias, "choices", None)
    return " or ".join(f"`{one}`" for one in choices) if choices else f"`FERRYMAN_{name.upper()}`"


def default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "must be set"
    return f"`{value}`" if value not in (None, "", [], ()) else "unset"


def page() -> str:
    rows = [
        f"| {variable(name, field)} | {default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
