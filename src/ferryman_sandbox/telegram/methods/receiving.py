"""getUpdates and the webhook's settings."""

import re
from typing import Any
from urllib.parse import urlsplit

from ferryman_sandbox.telegram.answers import bad, conflict
from ferryman_sandbox.telegram.call import Call
from ferryman_sandbox.telegram.cloud import Cloud
from ferryman_sandbox.telegram.updates import WEBHOOK_CAME

WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
LONGEST_POLL = 50
MOST_UPDATES = 100
PORTS = (None, 443, 80, 88, 8443)
SECRET = re.compile(r"[A-Za-z0-9_-]*")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def get_updates(cloud: Cloud, call: Call) -> list[dict[str, Any]]:
    if call.bot["webhook"].get("url"):
        raise conflict(WEBHOOK_ACTIVE)
    offset = call.integer("offset", 0)
    limit = min(max(call.integer("limit", MOST_UPDATES), 1), MOST_UPDATES)
    timeout = min(max(call.integer("timeout", 0), 0), LONGEST_POLL)
    _take_allowed(cloud, call)
    if offset:
        cloud.updates.confirm(call.bot_id, offset)
    return await cloud.updates.poll(call.bot_id, limit, timeout)


async def set_webhook(cloud: Cloud, call: Call) -> bool:
    url = call.text("url").strip()
    if not url:
        return await delete_webhook(cloud, call)
    _check_url(url, cloud.local_http)
    secret = call.text("secret_token")
    _check_secret(secret)
    cloud.limits.set_webhook(call.bot_id, cloud.world.now())
    _take_allowed(cloud, call)
    settings = {
        "url": url,
        "secret": secret,
        "max_connections": min(max(call.integer("max_connections", 40), 1), 100),
        "certificate": "certificate" in call.uploads,
    }
    same = {name: call.bot["webhook"].get(name) for name in settings} == settings
    call.note = "Webhook is already set" if same else "Webhook was set"
    if not same:
        call.bot["webhook"] = settings
        cloud.world.save_bot(call.bot)
    _drop_if_asked(cloud, call)
    cloud.updates.end_poll(call.bot_id, WEBHOOK_CAME)
    cloud.updates.ring(call.bot_id)
    return True


async def delete_webhook(cloud: Cloud, call: Call) -> bool:
    call.note = "Webhook was deleted" if call.bot["webhook"].get("url") else "Webhook is already deleted"
    call.bot["webhook"] = {}
    cloud.world.save_bot(call.bot)
    _drop_if_asked(cloud, call)
    return True


async def get_webhook_info(cloud: Cloud, call: Call) -> dict[str, Any]:
    settings = call.bot["webhook"]
    info: dict[str, Any] = {
        "url": settings.get("url", ""),
        "has_custom_certificate": bool(settings.get("certificate")),
        "pending_update_count": len(cloud.updates.pending(call.bot_id)),
    }
    if settings:
        info["max_connections"] = settings["max_connections"]
        info["ip_address"] = "127.0.0.1"
        info.update({name: settings[name] for name in ("last_error_date", "last_error_message") if name in settings})
    if call.bot["allowed_updates"]:
        info["allowed_updates"] = call.bot["allowed_updates"]
    return info


def _take_allowed(cloud: Cloud, call: Call) -> None:
    """Left out means as before; an empty list means the default kinds."""
    allowed = call.parsed("allowed_updates")
    if allowed is None or allowed == call.bot["allowed_updates"]:
        return
    if not isinstance(allowed, list):
        raise bad("can't parse allowed updates JSON object")
    call.bot["allowed_updates"] = [str(kind) for kind in allowed]
    cloud.world.save_bot(call.bot)


def _drop_if_asked(cloud: Cloud, call: Call) -> None:
    if call.flag("drop_pending_updates"):
        cloud.updates.drop_all(call.bot_id)


def _check_url(url: str, local_http: bool) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise bad("invalid webhook URL specified") from None
    if local_http and parts.hostname in LOOPBACK:
        return
    if parts.scheme != "https":
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if not parts.hostname:
        raise bad("invalid webhook URL specified")
    if port not in PORTS:
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def _check_secret(secret: str) -> None:
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")


METHODS = {
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
}
