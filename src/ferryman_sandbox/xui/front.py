"""From a call to an answer: base path, who may call, the version's route, the envelope, and faults that need them."""

import gzip
import json
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from ferryman_sandbox.xui.auth import Gate
from ferryman_sandbox.xui.envelope import Crash, Refusal, Reply, envelope, language, nothing, refusal_envelope
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import API, OPEN, PAGES, Call, NoRoute, Route, RouteTable
from ferryman_sandbox.xui.scopes import refusal_of

BODY_LIMIT = 10 * 1024 * 1024
APP_PAGE = b"<!doctype html><html><head><title>panel</title></head><body><div id=app></div></body></html>"
PROXY_PAGE = b"<html><head><title>Welcome</title></head><body><h1>This page is under maintenance</h1></body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Front:
    """What a caller meets. Knows HTTP, knows nothing of clients."""

    panel: Panel
    gate: Gate
    routes: RouteTable

    def answer(self, call: Call) -> tuple[Reply, bool]:
        """The answer, and whether the call changed something."""
        if not call.path.startswith(self.panel.base_path):
            return nothing(404), False
        path = call.path.removeprefix(self.panel.base_path)
        try:
            route, call.params = self.routes.find(call.method, path, self.panel.rules.version)
        except NoRoute:
            return self._no_route(call, path), False
        turned_away = self._turn_away(call, route)
        if turned_away is not None:
            return turned_away, False
        if route.area == API and self.panel.switches.take("html_200"):
            return Reply(raw=PROXY_PAGE, headers=HTML), False
        return self._handle(call, route)

    def rewrites(self, call: Call) -> bool:
        """Whether the call would read, edit and write back a whole inbound; its parameters are set as for an answer."""
        try:
            path = call.path.removeprefix(self.panel.base_path)
            route, call.params = self.routes.find(call.method, path, self.panel.rules.version)
        except NoRoute:
            return False
        return route.rewrites

    def _handle(self, call: Call, route: Route) -> tuple[Reply, bool]:
        try:
            if route.changes and self.panel.switches.take("locked_db"):
                raise Refusal("database is locked")
            if self.panel.rules.limits_body and len(call.body) > BODY_LIMIT:
                raise Refusal("http: request body too large")
            return route.handler(self.panel, call), route.changes
        except Refusal as refusal:
            is_nameless = route.blame == "obtain" and not self.panel.rules.names_reads_in_errors
            blame = "" if is_nameless else route.blame
            brackets = self.panel.rules.brackets_errors
            return Reply(bare=refusal_envelope(refusal, blame, self._language(call), brackets=brackets)), False
        except Crash:
            return nothing(500), False

    def _turn_away(self, call: Call, route: Route) -> Reply | None:
        """The answer to a caller without session or token, or without CSRF token; None for a welcome one."""
        if route.area == OPEN:
            return None
        token = self.gate.token(call) if route.area == API else None
        if token is not None:
            return refusal_of(token, route) if self.panel.rules.scopes_tokens else None
        session = self.gate.session(call)
        if not self.gate.is_logged_in(session):
            return self._stranger(call, route)
        return None if self.gate.has_csrf(call, session) else nothing(403)

    def _stranger(self, call: Call, route: Route) -> Reply:
        rules = self.panel.rules
        if route.area == PAGES or rules.answers_strangers_at_length:
            return self._login_first(call)
        if rules.tells_wrong_token_unauthorized and call.headers.get("Authorization", "").startswith("Bearer "):
            return nothing(401)
        return nothing(401 if rules.tells_ajax_unauthorized and _is_ajax(call) else 404)

    def _login_first(self, call: Call) -> Reply:
        if _is_ajax(call):
            return Reply(success=False, word="session_over", status=401)
        return nothing(307, Location=self.panel.base_path)

    def _no_route(self, call: Call, path: str) -> Reply:
        """An empty 404, or the way without a trailing slash.

        From 3.4.1 a browser that strays under `panel/` gets the web application instead.
        """
        if path.endswith("/") and self._exists(call.method, path.rstrip("/")):
            return nothing(301 if call.method == "GET" else 307, Location=call.path.rstrip("/"))
        accept = call.headers.get("Accept", "*/*")
        strays = path.startswith("panel/") and not path.startswith("panel/api/") and call.method == "GET"
        takes_html = accept in ("", "*/*") or "text/html" in accept
        if not (self.panel.rules.serves_app_for_unknown_pages and strays and takes_html):
            return nothing(404)
        if self.gate.is_logged_in(self.gate.session(call)):
            return Reply(raw=APP_PAGE, headers=HTML)
        return self._login_first(call)

    def _exists(self, method: str, path: str) -> bool:
        try:
            self.routes.find(method, path, self.panel.rules.version)
        except NoRoute:
            return False
        return True

    def _language(self, call: Call) -> str:
        return language(call.cookies.get("lang", ""), call.headers.get("Accept-Language", ""), self.panel.switches.lang)

    def response(self, call: Call, reply: Reply) -> web.Response:
        """The reply on the wire, dated by the panel's clock."""
        headers = {"Date": formatdate(self.panel.now(), usegmt=True), **reply.headers}
        if call.path.startswith(f"{self.panel.base_path}panel/api/") and self.panel.rules.limits_body:
            headers["X-3x-Node-Caps"] = "zstd"
        body = reply.raw
        if body is None:
            body = self._body(call, reply)
            headers["Content-Type"] = "application/json; charset=utf-8"
        status, takes_gzip = reply.status, "gzip" in call.headers.get("Accept-Encoding", "")
        broke_down = status == 500 and takes_gzip and self.panel.rules.hides_breakdowns
        if takes_gzip and body:
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        response = web.Response(body=body, status=200 if broke_down else status, headers=headers)
        response.cookies.update(reply.cookies)
        return response

    def _body(self, call: Call, reply: Reply) -> bytes:
        if reply.obj_text:
            return f'{{"success":true,"msg":"","obj":{reply.obj_text}}}'.encode()
        content = reply.bare
        if content is None:
            content = envelope(reply, self._language(call), brackets=self.panel.rules.brackets_errors)
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _is_ajax(call: Call) -> bool:
    return call.headers.get("X-Requested-With", "") == "XMLHttpRequest"


async def read_call(request: web.Request) -> Call:
    return Call(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        cookies=request.cookies,
        body=await request.read(),
        remote=request.remote or "",
        host=request.host,
    )
