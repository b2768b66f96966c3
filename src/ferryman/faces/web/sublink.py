"""`GET /s/{token}`: the subscription that a customer's VPN app polls; the hottest route, which must not fall."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from ferryman.delivery.link import is_token
from ferryman.delivery.profile import Profile, render_base64
from ferryman.kit.errors import Retry

Load = Callable[[str], Awaitable[Profile | None]]

# An app may keep its copy but must ask each time: no-store would forbid the copy that a 304 refers to, and the answer
# is nobody else's to keep. The token is in the address, so it must not travel on as a referrer or into an index.
_ALWAYS = {
    "cache-control": "private, no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_RETRY_AFTER = "30"


def subscription_endpoint(load: Load) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for GET and HEAD with the path parameter `token`.

    `load` answers None for a token that nobody has; that and a malformed one give the same empty 404. When `load`
    raises Retry, the answer is an empty 503: apps keep what they have and ask again.
    """

    async def subscription(request: Request) -> Response:
        token = request.path_params["token"]
        try:
            profile = await load(token) if is_token(token) else None
        except Retry:
            return Response(status_code=503, headers={**_ALWAYS, "retry-after": _RETRY_AFTER})
        if profile is None:
            return Response(status_code=404, headers=_ALWAYS)
        rendered = render_base64(profile)
        headers = {**rendered.headers, **_ALWAYS}
        if _is_known(request.headers.get("if-none-match", ""), rendered.headers["etag"]):
            return Response(status_code=304, headers=headers)
        return Response(rendered.body, headers=headers)

    return subscription


def _is_known(if_none_match: str, etag: str) -> bool:
    """RFC 9110 §13.1.2: a list of tags or `*`, compared weakly."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
