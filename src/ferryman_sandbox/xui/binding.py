"""Reading request bodies the way the panel's language does: typed fields, unknown ones ignored, its own error texts."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from ferryman_sandbox.xui.envelope import InvalidBody, Refusal
from ferryman_sandbox.xui.versions import G5, Version

STRING, INT, BOOL, OBJECT, TEXT_OR_OBJECT = "string", "int", "bool", "object", "any"
INT64 = "int64"
STRINGS, INTS = "[]string", "[]int"

ZERO: dict[str, Any] = {STRING: "", INT: 0, INT64: 0, BOOL: False, OBJECT: None, TEXT_OR_OBJECT: None}

CLIENT_FIELDS: dict[str, str] = {
    "id": STRING,
    "security": STRING,
    "password": STRING,
    "flow": STRING,
    "reverse": OBJECT,
    "auth": STRING,
    "privateKey": STRING,
    "publicKey": STRING,
    "allowedIPs": STRINGS,
    "preSharedKey": STRING,
    "keepAlive": INT,
    "secret": STRING,
    "adTag": STRING,
    "limitHwid": INT,
    "email": STRING,
    "limitIp": INT,
    "totalGB": INT64,
    "expiryTime": INT64,
    "enable": BOOL,
    "tgId": INT64,
    "subId": STRING,
    "group": STRING,
    "comment": STRING,
    "reset": INT,
    "resetDay": INT,
    "resetMax": INT,
    "trafficReset": STRING,
    "trafficResetDay": INT,
    "created_at": INT64,
    "updated_at": INT64,
}

# The release that first read a field; an older panel passes it over like any other unknown one.
FIELD_SINCE: dict[str, Version] = {
    "group": (3, 2, 0),
    "privateKey": (3, 4, 2),
    "publicKey": (3, 4, 2),
    "allowedIPs": (3, 4, 2),
    "preSharedKey": (3, 4, 2),
    "keepAlive": (3, 4, 2),
    "secret": (3, 5, 0),
    "adTag": (3, 5, 0),
    "limitHwid": G5,
    "resetDay": G5,
    "resetMax": G5,
    "trafficReset": G5,
    "trafficResetDay": G5,
}

INBOUND_FIELDS: dict[str, str] = {
    "up": INT64,
    "down": INT64,
    "total": INT64,
    "remark": STRING,
    "enable": BOOL,
    "expiryTime": INT64,
    "trafficReset": STRING,
    "listen": STRING,
    "port": INT,
    "protocol": STRING,
    "settings": TEXT_OR_OBJECT,
    "streamSettings": TEXT_OR_OBJECT,
    "tag": STRING,
    "sniffing": TEXT_OR_OBJECT,
    "nodeId": INT,
    "subSortIndex": INT,
}


def parse_json(body: bytes) -> Any:
    """Raises Refusal with the texts of the panel's JSON reader."""
    if not body.strip():
        raise Refusal("EOF")
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc):
            raise Refusal("unexpected EOF") from error
        raise Refusal(f"invalid character {error.doc[error.pos]!r} looking for beginning of value") from error
    except UnicodeDecodeError as error:
        raise Refusal("invalid character '\\u00ff' looking for beginning of value") from error


def bind(value: Any, fields: Mapping[str, str], struct: str) -> dict[str, Any]:
    """Every field of `fields`, zero where the body has none or null. Raises Refusal on a wrong type."""
    if not isinstance(value, dict):
        raise Refusal(f"json: cannot unmarshal {_kind(value)} into Go value of type {struct}")
    return {name: _field(value.get(name), kind, f"{struct}.{name}") for name, kind in fields.items()}


def bind_client(value: Any, version: Version, struct: str = "Client") -> dict[str, Any]:
    """A client as one version reads it: every known field, those of later versions zero. Raises Refusal."""
    client = bind(value, CLIENT_FIELDS, struct)
    for name, since in FIELD_SINCE.items():
        if version < since:
            client[name] = zero(CLIENT_FIELDS[name])
    if version >= G5:
        client["trafficReset"] = client["trafficReset"] or "never"
    return client


def zero(kind: str) -> Any:
    return [] if kind in (STRINGS, INTS) else ZERO[kind]


def fits(value: Any, kind: str) -> bool:
    """Whether a value can stand in a field of that kind."""
    if kind in (STRINGS, INTS):
        return isinstance(value, list) and all(_fits(one, kind.removeprefix("[]")) for one in value)
    return _fits(value, kind)


def bind_form(body: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a form body. Raises Refusal when a number or a flag cannot be read."""
    given = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    return {name: _form_field(given.get(name, ""), kind) for name, kind in fields.items()}


def validate_inbound(inbound: Mapping[str, Any]) -> None:
    """Raises InvalidBody listing each field that is out of range."""
    issues = []
    if inbound["port"] > 65535:
        issues.append(_issue("port", "lte", "65535"))
    if inbound["port"] < 0:
        issues.append(_issue("port", "gte", "0"))
    if not inbound["protocol"]:
        issues.append(_issue("protocol", "required", ""))
    elif inbound["protocol"] not in PROTOCOLS.split():
        issues.append(_issue("protocol", "oneof", PROTOCOLS))
    if issues:
        raise invalid_body("\n".join(issue["message"] for issue in issues), issues)


PROTOCOLS = "vmess vless trojan shadowsocks wireguard hysteria http mixed tunnel tun mtproto"


def invalid_body(message: str, issues: list[dict[str, str]]) -> InvalidBody:
    return InvalidBody("request body failed validation", obj={"issues": issues, "message": message})


def _issue(field: str, rule: str, param: str) -> dict[str, str]:
    text = f"Key: 'Inbound.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag"
    return {"field": field, "rule": rule, "message": text} | ({"param": param} if param else {})


def _field(value: Any, kind: str, where: str) -> Any:
    if kind in (STRINGS, INTS):
        return _list(value, kind, where)
    if value is None:
        return ZERO[kind]
    if kind == TEXT_OR_OBJECT:
        return value
    if not _fits(value, kind):
        raise Refusal(f"json: cannot unmarshal {_kind(value)} into Go struct field {where} of type {kind}")
    return value


def _list(value: Any, kind: str, where: str) -> list[Any]:
    if value is None:
        return []
    item = kind.removeprefix("[]")
    if not isinstance(value, list):
        raise Refusal(f"json: cannot unmarshal {_kind(value)} into Go struct field {where} of type {kind}")
    for one in value:
        if not _fits(one, item):
            raise Refusal(f"json: cannot unmarshal {_kind(one)} into Go struct field {where} of type {item}")
    return value


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "int" | "int64":
            return isinstance(value, int) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case _:
            return isinstance(value, dict)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case float():
            return f"number {value}"
        case int():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _form_field(text: str, kind: str) -> Any:
    try:
        match kind:
            case "int" | "int64":
                return int(text or 0)
            case "bool":
                return _flag(text)
            case _:
                return text
    except ValueError as error:
        raise Refusal(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _flag(text: str) -> bool:
    if text in ("true", "TRUE", "True", "t", "T", "1", "on"):
        return True
    if text in ("", "false", "FALSE", "False", "f", "F", "0", "off"):
        return False
    raise ValueError(text)
