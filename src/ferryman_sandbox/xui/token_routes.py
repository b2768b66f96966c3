"""API tokens under the panel's settings: a single readable one in 3.0.0, named ones from 3.0.2, scopes from 3.7."""

from typing import Any

from ferryman_sandbox.xui.auth import new_token_text, store_token, token_digest
from ferryman_sandbox.xui.binding import BOOL, INT64, STRING
from ferryman_sandbox.xui.envelope import Refusal, Reply, refuse
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import API, PAGES, Call, Route
from ferryman_sandbox.xui.scopes import read_scope
from ferryman_sandbox.xui.state import Document
from ferryman_sandbox.xui.versions import G3


def read_only_token(panel: Panel, _: Call) -> Reply:
    """3.0.0 and 3.0.1: the panel's one token, made when first asked for."""
    token = next(iter(panel.state.tokens.values()), None)
    return Reply(token["token"] if token and "token" in token else _renewed(panel))


def regenerate(panel: Panel, _: Call) -> Reply:
    return Reply(_renewed(panel))


def _renewed(panel: Panel) -> str:
    text = new_token_text()
    known = next(iter(panel.state.tokens.values()), None)
    if known is None:
        store_token(panel, "default", text)
    else:
        panel.state.save_token(known | {"token": text, "digest": token_digest(text)})
    return text


def list_all(panel: Panel, _: Call) -> Reply:
    return Reply([_view(panel, token) for _, token in sorted(panel.state.tokens.items())])


def _view(panel: Panel, token: Document) -> Document:
    """Without the token itself where the version keeps only its digest."""
    unit = 1 if panel.rules.dates_tokens_in_seconds else 1000
    view = {name: token[name] for name in ("id", "name", "enabled")} | {"createdAt": int(token["created"] * unit)}
    if panel.rules.scopes_tokens:
        view |= {"scope": token.get("scope", "admin"), "expiresAt": token.get("expires", 0)}
    return view if panel.rules.hashes_tokens else view | {"token": token.get("token", "")}


def create(panel: Panel, call: Call) -> Reply:
    body = call.json("createRequest", {"name": STRING, "scope": STRING, "expiresAt": INT64})
    name = body["name"].strip()
    if not name:
        raise refuse("token name is required")
    if len(name) > 64:
        raise refuse("token name must be 64 characters or fewer")
    limits: dict[str, Any] = {}
    if panel.rules.scopes_tokens:
        limits = {"scope": read_scope(body["scope"]), "expires_ms": _read_expiry(panel, body["expiresAt"])}
    if any(token["name"] == name for token in panel.state.tokens.values()):
        raise refuse("a token with that name already exists")
    text = new_token_text()
    return Reply(_view(panel, store_token(panel, name, text, **limits)) | {"token": text})


def _read_expiry(panel: Panel, expiry_ms: int) -> int:
    if expiry_ms and expiry_ms <= panel.now_ms:
        raise refuse("expiresAt must be 0 (never) or a future unix-ms timestamp")
    return expiry_ms


def delete(panel: Panel, call: Call) -> Reply:
    token_id = call.number("id")
    if panel.rules.scopes_tokens:
        _of_scope(panel, call, token_id)
    panel.state.drop_token(token_id)
    return Reply(word="settings_saved")


def set_enabled(panel: Panel, call: Call) -> Reply:
    token_id = call.number("id")
    wanted = call.json("setEnabledRequest", {"enabled": BOOL})["enabled"]
    if panel.rules.scopes_tokens:
        token = _of_scope(panel, call, token_id)
    elif token_id in panel.state.tokens:
        token = panel.state.tokens[token_id]
    else:
        raise Refusal("token not found")
    panel.state.save_token(token | {"enabled": wanted})
    return Reply(word="settings_saved")


def _of_scope(panel: Panel, call: Call, token_id: int) -> Document:
    """The token, if the caller knows its scope. Raises Refusal."""
    expected = call.json("request", {"expectedScope": STRING})["expectedScope"]
    if not expected.strip():
        raise refuse("expected scope is required")
    scope = read_scope(expected)
    token = panel.state.tokens.get(token_id)
    if token is None or token.get("scope", "admin") != scope:
        raise Refusal("token not found with expected scope")
    return token


def _routes(prefix: str, area: str, **valid: Any) -> tuple[Route, ...]:
    """3.3.0 moved the settings under the API, where a token works too."""
    blame = {"blame": "settings_saved"} | valid
    return (
        Route("GET", f"{prefix}/apiTokens", list_all, area, **blame),
        Route("POST", f"{prefix}/apiTokens/create", create, area, **blame),
        Route("POST", f"{prefix}/apiTokens/delete/:id", delete, area, **blame),
        Route("POST", f"{prefix}/apiTokens/setEnabled/:id", set_enabled, area, **blame),
    )


ROUTES = (
    Route("GET", "panel/setting/getApiToken", read_only_token, PAGES, since=G3, before=(3, 0, 2)),
    Route("POST", "panel/setting/regenerateApiToken", regenerate, PAGES, since=G3, before=(3, 0, 2)),
    *_routes("panel/setting", PAGES, since=(3, 0, 2), before=(3, 3, 0)),
    *_routes("panel/api/setting", API, since=(3, 3, 0)),
)
