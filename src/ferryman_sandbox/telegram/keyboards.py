"""Reply markup as the server accepts it: one action for each button, in its order of preference, or a refusal.

A button without text is refused here, although the real server is said to leave it out in silence: a shop should
see it.
"""

import ipaddress
import json
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ferryman_sandbox.telegram.answers import bad

Markup = dict[str, Any]

MOST_BUTTONS = 100
ACTIONS = (
    "url",
    "callback_data",
    "callback_game",
    "pay",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "login_url",
    "web_app",
    "copy_text",
)
STYLES = ("primary", "success", "danger")
REPLY_KINDS = ("keyboard", "remove_keyboard", "force_reply")


def checked(markup: Any, local_http: bool) -> Markup:
    """The keyboard as the server keeps it ({} for none). `local_http` lets plain http to this machine pass.

    Raises ApiError with the server's words for the first wrong button.
    """
    if markup is None:
        return {}
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        return _inline(markup["inline_keyboard"], local_http)
    if "keyboard" in markup:
        return {**markup, "keyboard": _reply(markup["keyboard"])}
    return markup if any(kind in markup for kind in REPLY_KINDS) else {}


def checked_for_invoice(markup: Any, local_http: bool, amount: int) -> Markup:
    """As `checked`, for the keyboard under an invoice: its first button pays, and it has that one when it has none."""
    rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
    if markup and not isinstance(rows, list):
        raise bad("REPLY_MARKUP_INVALID")
    if not rows:
        return {"inline_keyboard": [[{"text": f"Pay ⭐️{amount}", "pay": True}]]}
    _check_rows(rows, "inline_keyboard")
    first = next((button for row in rows for button in row), None)
    if not isinstance(first, dict) or not first.get("pay") or not first.get("text"):
        raise bad("REPLY_MARKUP_BUY_EMPTY")
    rest = [[button for button in row if button is not first] for row in rows]
    kept = [[_button(button, local_http) for button in row] for row in rest]
    at = next(place for place, row in enumerate(rows) if first in row)
    kept[at].insert(0, {"text": str(first["text"]), "pay": True})
    _check_size(kept)
    return {"inline_keyboard": [row for row in kept if row]}


def _inline(rows: Any, local_http: bool) -> Markup:
    _check_rows(rows, "inline_keyboard")
    kept = [[_button(button, local_http) for button in row] for row in rows if row]
    _check_size(kept)
    return {"inline_keyboard": kept} if kept else {}


def _check_rows(rows: Any, name: str) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad(f'field "{name}" must be of type Array of Arrays')


def _check_size(rows: list[list[Any]]) -> None:
    if sum(len(row) for row in rows) > MOST_BUTTONS:
        raise bad("reply markup is too long")


def _button(button: Any, local_http: bool) -> dict[str, Any]:
    if not isinstance(button, dict) or not button.get("text"):
        raise _unreadable('Can\'t find field "text"')
    action = next((name for name in ACTIONS if _filled(button.get(name))), None)
    if action is None:
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    kept = {"text": str(button["text"]), action: _checked_action(action, button[action], local_http)}
    if button.get("style"):
        if button["style"] not in STYLES:
            raise _unreadable("Invalid button style specified")
        kept["style"] = button["style"]
    if button.get("icon_custom_emoji_id"):
        kept["icon_custom_emoji_id"] = button["icon_custom_emoji_id"]
    return kept


def _filled(value: Any) -> bool:
    return value not in (None, False, "")


def _checked_action(action: str, value: Any, local_http: bool) -> Any:
    match action:
        case "callback_data":
            if not isinstance(value, str) or not 1 <= len(value.encode()) <= 64:
                raise bad("BUTTON_DATA_INVALID")
        case "url":
            return _link(str(value), local_http)
        case "pay" | "callback_game":
            raise bad("BUTTON_TYPE_INVALID")
        case "web_app":
            check_web_app(value, local_http)
        case "copy_text":
            text = value.get("text", "") if isinstance(value, dict) else ""
            if not 1 <= len(text) <= 256:
                raise bad("BUTTON_COPY_TEXT_INVALID")
    return value


def _link(url: str, local_http: bool) -> str:
    whole = url if "://" in url else f"http://{url}"
    parts = _split(whole)
    if parts.scheme == "tg" and parts.netloc:
        return whole
    named = "." in (parts.hostname or "") or (local_http and _is_local(parts.hostname))
    if parts.scheme not in ("http", "https") or not named or any(mark.isspace() for mark in whole):
        raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return whole


def check_web_app(value: Any, local_http: bool) -> None:
    """A Mini App lives on https; with `local_http` also on plain http at this machine."""
    url = value.get("url", "") if isinstance(value, dict) else ""
    parts = _split(url)
    secure = parts.scheme == "https" and bool(parts.hostname)
    local = parts.scheme == "http" and local_http and _is_local(parts.hostname)
    if not secure and not local:
        raise bad(f"inline keyboard button Web App URL '{url}' is invalid: Only HTTPS links are allowed")


def _split(url: str) -> SplitResult:
    """The parts of an address; all of them empty when it cannot be read."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return urlsplit("")
    return parts


def _is_local(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reply(rows: Any) -> list[list[dict[str, Any]]]:
    _check_rows(rows, "keyboard")
    kept = [[{"text": button} if isinstance(button, str) else button for button in row] for row in rows if row]
    _check_size(kept)
    for button in (button for row in kept for button in row):
        if not isinstance(button, dict) or not button.get("text"):
            raise bad("can't parse keyboard button: Can't find field \"text\"")
    return kept


def _unreadable(why: str) -> Exception:
    return bad(f"can't parse inline keyboard button: {why}")


def same(first: Markup, second: Markup) -> bool:
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
