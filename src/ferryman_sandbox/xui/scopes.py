"""What a token of limited scope may call, from 3.7 on: everything else is refused by name of the scope."""

from ferryman_sandbox.xui.auth import ADMIN, MONITOR, NODE_SYNC
from ferryman_sandbox.xui.envelope import Reply, refuse
from ferryman_sandbox.xui.routing import Route
from ferryman_sandbox.xui.state import Document

API_ROOT = "panel/api/"

_READ_ONLY = {("GET", "server/status")}
_NODE_WORK = {
    ("GET", "server/status"),
    ("GET", "inbounds/list"),
    ("POST", "inbounds/add"),
    ("POST", "inbounds/del/:id"),
    ("POST", "inbounds/update/:id"),
    ("POST", "inbounds/resetAllTraffics"),
    ("POST", "inbounds/:id/resetTraffic"),
    ("POST", "clients/add"),
    ("POST", "clients/del/:email"),
    ("POST", "clients/:email/detach"),
    ("POST", "clients/update/:email"),
    ("POST", "clients/resetTraffic/:email"),
    ("POST", "clients/onlines"),
    ("POST", "clients/lastOnline"),
    ("POST", "server/restartXrayService"),
}
_ALLOWED = {MONITOR: _READ_ONLY, NODE_SYNC: _NODE_WORK}


def refusal_of(token: Document, route: Route) -> Reply | None:
    """The 403 for a token whose scope does not cover the route; None when it does."""
    scope = token.get("scope", ADMIN)
    if scope == ADMIN or (route.method, route.path.removeprefix(API_ROOT)) in _ALLOWED[scope]:
        return None
    return Reply(bare={"success": False, "msg": "this token is not permitted to call this endpoint"}, status=403)


def read_scope(text: str) -> str:
    """A scope as stored; none means admin. Raises Refusal for an unknown one."""
    scope = text.strip().lower() or ADMIN
    if scope not in (ADMIN, *_ALLOWED):
        raise refuse("scope must be 'admin', 'monitor', or 'node-sync'")
    return scope
