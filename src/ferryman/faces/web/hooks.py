"""Where webhooks come in: `POST /hooks/{provider}/{secret}`. The bytes go to the story; an answer comes back."""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ferryman.billing.provider import RawWebhook
from ferryman.faces.web.throttle import Throttle, sender
from ferryman.flows.payments import settling
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Unreachable
from ferryman.kit.secrets import same

_log = log.get("hooks")

# The largest real webhook we know of is under 10 KB.
LARGEST_BODY = 256 * 1024


def webhook_endpoint(tools: Tools) -> Callable[[Request], Awaitable[Response]]:
    """The route's handler. The last part of the address is unguessable, and another one for each provider.

    Answers: what the provider wants to hear, also for what is no webhook of its own; 404 for a wrong secret or an
    unknown provider, alike; 413 for a body over 256 KiB, without reading the rest; 429 for an address that knocks too
    often; 503 when the database is away, so that the provider tries again.
    """
    throttle, hops = Throttle(tools.settings.hooks_per_second), tools.settings.proxy_hops

    async def receive(request: Request) -> Response:
        provider = request.path_params["provider"]
        if not same(request.path_params["secret"], tools.hook_key(provider)):
            return Response(status_code=404)
        address = sender(request, hops)
        if not throttle.admits(address):
            _log.warning("webhooks_too_many", provider=provider, remote=address)
            return Response(status_code=429, headers={"retry-after": "5"})
        body = await _read(request)
        if body is None:
            _log.warning("webhook_too_large", provider=provider)
            return Response(status_code=413, headers={"connection": "close"})
        raw = RawWebhook(body, dict(request.headers), address, request.url.query)
        try:
            status, text = await settling.webhook_came(tools, provider, raw)
        except NotFound:
            return Response(status_code=404)
        except (Unreachable, Misconfigured) as error:
            _log.error("webhook_not_kept", provider=provider, why=str(error))
            return Response(status_code=503, headers={"retry-after": "5"})
        return Response(text, status_code=status, media_type="text/plain")

    return receive


async def _read(request: Request) -> bytes | None:
    """The body; None as soon as it is larger than any webhook is."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return None
    except ClientDisconnect:
        # Cut off on the way: what arrived is no webhook, and nobody waits for the answer.
        return b""
    return bytes(body)
