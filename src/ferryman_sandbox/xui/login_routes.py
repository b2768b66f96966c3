"""The few paths open to everybody: login page, CSRF token, login, logout."""

import secrets

from ferryman_sandbox.xui.auth import Gate
from ferryman_sandbox.xui.binding import STRING, bind, parse_json
from ferryman_sandbox.xui.envelope import Refusal, Reply, nothing
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import OPEN, PAGES, Call, Route
from ferryman_sandbox.xui.versions import G3

LOGIN_PAGE = "<!doctype html><html><head><title>login</title>{}</head><body><form method=post></form></body></html>"
APP_PAGE = "<!doctype html><html><head><title>panel</title>{}</head><body><div id=app></div></body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


def login_routes(gate: Gate) -> tuple[Route, ...]:
    """The routes of one gate, which alone can read and issue its cookies."""

    def index(panel: Panel, call: Call) -> Reply:
        if gate.is_logged_in(gate.session(call)):
            return nothing(307, Location=f"{panel.base_path}panel/")
        return Reply(raw=LOGIN_PAGE.format("" if panel.rules.guards_logins else assets(panel)).encode(), headers=HTML)

    def app(panel: Panel, _: Call) -> Reply:
        version = panel.switches.version
        script = f'<script>window.X_UI_CUR_VER="{version}"</script>' if panel.rules.guards_logins else assets(panel)
        return Reply(raw=APP_PAGE.format(script).encode(), headers=HTML)

    def csrf_token(_: Panel, call: Call) -> Reply:
        session = gate.session(call)
        if session.csrf:
            return Reply(bare={"success": True, "obj": session.csrf})
        session.csrf = secrets.token_urlsafe(32)
        return Reply(bare={"success": True, "obj": session.csrf}, cookies=gate.cookie(session))

    def login(panel: Panel, call: Call) -> Reply:
        session = gate.session(call)
        if not gate.has_csrf(call, session):
            return nothing(403)
        try:
            form = _login_form(call)
        except Refusal:
            return Reply(success=False, word="bad_form")
        for field in ("username", "password"):
            if not form[field]:
                return Reply(success=False, word=f"no_{field}")
        if not gate.check_login(form, call.remote):
            return Reply(success=False, word="bad_login")
        session.user, session.epoch = form["username"], panel.state.meta["epoch"]
        return Reply(word="logged_in", cookies=gate.cookie(session))

    def leave(panel: Panel, _: Call) -> Reply:
        return Reply(raw=b"", status=307, headers={"Location": panel.base_path}, cookies=gate.forget())

    def logout(_: Panel, call: Call) -> Reply:
        if not gate.has_csrf(call, gate.session(call)):
            return nothing(403)
        return Reply(bare={"success": True}, cookies=gate.forget())

    def two_factor(panel: Panel, call: Call) -> Reply:
        if not gate.has_csrf(call, gate.session(call)):
            return nothing(403)
        return Reply(bool(panel.switches.two_factor_secret))

    def has_secret(panel: Panel, _: Call) -> Reply:
        return Reply(bool(panel.switches.login_secret))

    return (
        Route("GET", "", index, OPEN),
        Route("GET", "panel/", app, PAGES),
        Route("GET", "csrf-token", csrf_token, OPEN, since=G3),
        Route("POST", "login", login, OPEN),
        Route("GET", "logout", leave, OPEN, before=(3, 0, 2)),
        Route("POST", "logout", logout, OPEN, since=(3, 0, 2)),
        Route("POST", "getSecretStatus", has_secret, OPEN, before=(2, 6, 0)),
        Route("POST", "getTwoFactorEnable", two_factor, OPEN, since=(2, 6, 0)),
    )


def assets(panel: Panel) -> str:
    """Pages of 2.x name their version in the addresses of their scripts."""
    return f'<script src="{panel.base_path}assets/vue/vue.min.js?{panel.switches.version}"></script>'


def _login_form(call: Call) -> dict[str, str]:
    """Raises Refusal when a JSON body cannot be read."""
    fields = {"username": STRING, "password": STRING, "twoFactorCode": STRING, "loginSecret": STRING}
    return bind(call.form() if call.is_form else parse_json(call.body), fields, "LoginForm")
