"""One method call, whichever of the four encodings brought it: query string, urlencoded, multipart or JSON body."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import ApiError, bad


@dataclass(frozen=True)
class Upload:
    name: str
    content: bytes
    mime: str


@dataclass
class Call:
    """Fields are text, as in a form; nested values are JSON inside it. `note` becomes the answer's description."""

    bot: Document
    method: str
    fields: dict[str, str]
    uploads: dict[str, Upload] = field(default_factory=dict)
    note: str = ""

    @property
    def bot_id(self) -> int:
        return int(self.bot["id"])

    def text(self, name: str, default: str = "") -> str:
        return self.fields.get(name, default)

    def need(self, name: str, complaint: str) -> str:
        value = self.fields.get(name, "")
        if not value:
            raise bad(complaint)
        return value

    def integer(self, name: str, default: int) -> int:
        raw = self.fields.get(name, "").strip()
        if not raw:
            return default
        try:
            return int(raw)
        except ValueError:
            raise bad(f"invalid {name} specified") from None

    def flag(self, name: str) -> bool:
        return self.fields.get(name, "").strip().lower() in ("true", "yes", "1")

    def parsed(self, name: str) -> Any:
        """The JSON inside a field; None when the field is absent or empty."""
        raw = self.fields.get(name, "")
        if not raw:
            return None
        try:
            return json.loads(raw)
        except ValueError:
            raise bad(f"can't parse {name.replace('_', ' ')} JSON object") from None

    def object(self, name: str) -> dict[str, Any]:
        """The JSON object inside a field; empty when the field is absent."""
        value = self.parsed(name)
        if not isinstance(value, dict | None):
            raise bad(f"can't parse {name.replace('_', ' ')}: expected an Object")
        return value or {}


async def read_fields(request: web.Request) -> tuple[dict[str, str], dict[str, Upload]]:
    """Raises ApiError for a body that cannot be read as what its content type says."""
    fields: dict[str, str] = dict(request.query)
    uploads: dict[str, Upload] = {}
    if request.method != "POST":
        return fields, uploads
    if request.content_type == "application/json":
        fields.update(from_json(await request.read()))
        return fields, uploads
    try:
        form = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request Entity Too Large") from None
    except ValueError as error:
        raise bad(f"can't parse the request body: {error}") from error
    for name, value in form.items():
        if isinstance(value, web.FileField):
            with value.file as file:
                uploads[name] = Upload(value.filename, file.read(), value.content_type)
        else:
            fields[name] = value if isinstance(value, str) else bytes(value).decode()
    return fields, uploads


def from_json(body: bytes) -> dict[str, str]:
    """A JSON object's members as form text: words stay, everything else becomes JSON again."""
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise bad(f"can't parse the JSON body: {error}") from error
    if not isinstance(members, dict):
        raise bad("the JSON body must be an object")
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in members.items()
        if value is not None
    }
