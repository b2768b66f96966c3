"""The page behind a session's `url`: a plain form that works without JavaScript.

`GET /pay/{id}` shows the session, `POST /pay/{id}` with `action=pay|decline|leave` (and `reason`) acts and sends the
browser back to the page, so a reload repeats nothing. Acting on a session that is over is answered calmly.
"""

from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

import ferryman_sandbox.stripe.texts as texts
from ferryman_sandbox.stripe.account import DECLINES, Account
from ferryman_sandbox.stripe.errors import ApiError
from ferryman_sandbox.stripe.records import Json

HERE = Path(__file__).parent
PAGE = Template((HERE / "checkout.html").read_text(encoding="utf-8"))
STYLE = (HERE / "checkout.css").read_text(encoding="utf-8")
SYMBOLS = {"rub": "₽", "eur": "€", "usd": "$"}
WHOLE = ("jpy", "krw", "vnd")
CARE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
SIGNS = {"paid": "✅", "waits": "⏳", "expired": "⌛", "left": "🚪", "missing": "🧭"}


class CheckoutPage:
    def __init__(self, account: Account) -> None:
        self._account = account

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/checkout.css", self._style)
        app.router.add_get("/pay/{id}", self._show)
        app.router.add_post("/pay/{id}", self._act)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _show(self, request: web.Request) -> web.Response:
        lang, seen = _language(request), request.query.get("seen", "")
        try:
            session = self._account.session(request.match_info["id"])
        except ApiError:
            return _page(lang, "missing", _verdict("missing", lang, ""), 404)
        rest = self._ending(session, seen, lang) or self._form(session, seen, lang)
        return _page(lang, session["status"], self._bill(session, lang) + rest)

    async def _act(self, request: web.Request) -> web.Response:
        form = await request.post()
        action, id_, lang = str(form.get("action", "")), request.match_info["id"], _language(request)
        try:
            session = self._account.session(id_)
        except ApiError:
            return await self._show(request)
        seen = "left" if action == "leave" else "late"
        if action in ("pay", "decline") and session["status"] == "open":
            reason = str(form.get("reason", ""))
            seen = reason if reason in DECLINES else "generic_decline"
            if action == "pay":
                self._account.pay(id_)
                raise web.HTTPSeeOther(f"/pay/{id_}?seen=paid&lang={lang}", headers=CARE)
            self._account.refuse(id_, seen)
        raise web.HTTPSeeOther(f"/pay/{id_}?seen={seen}&lang={lang}", headers=CARE)

    def _bill(self, session: Json, lang: str) -> str:
        say = texts.TEXTS[lang]
        return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{_amount(session)}</p>
<p class="product" data-testid="description">🧾 {escape(self._account.product(session))}</p>
<p class="id" data-testid="payment-id">{session["id"]}</p></section>"""

    def _ending(self, session: Json, seen: str, lang: str) -> str:
        """How it ended; "" while it has not."""
        say = texts.TEXTS[lang]
        if session["status"] == "expired":
            return _verdict("expired", lang, session["cancel_url"] or "")
        if session["payment_status"] == "paid":
            return _verdict("paid", lang, session["success_url"], say["again_text"] if seen == "late" else "")
        if session["status"] == "complete":
            return _verdict("waits", lang, session["success_url"])
        if seen == "left":
            again = f'<a class="quiet" data-testid="continue" href="?lang={lang}">↩️ {say["continue"]}</a>'
            return _verdict("left", lang, session["cancel_url"] or "", more=again)
        return ""

    def _form(self, session: Json, seen: str, lang: str) -> str:
        say, trouble = texts.TEXTS[lang], ""
        if seen in DECLINES:
            why = escape(texts.reason(seen, lang))
            trouble = f'<p class="trouble" data-testid="declined">✋ {say["declined"]}: {why}</p>'
        reasons = [f'<option value="{code}">{escape(texts.reason(code, lang))}</option>' for code in DECLINES]
        hint = say["kept_hint"] if session["customer"] else say["card_hint"]
        return f"""<form method="post" action="?lang={lang}" data-testid="pay-form">{trouble}
<p class="plastic"><span class="icon">💳</span><span><b>{say["card"]}</b><small>{hint}</small></span></p>
<button class="pay" name="action" value="pay" data-testid="pay">🔒 {say["pay"]} {_amount(session)}</button>
<details><summary data-testid="refuse">🏦 {say["refuse"]}</summary>
<label>{say["reason"]}<select name="reason" data-testid="reason">{"".join(reasons)}</select></label>
<button class="decline" name="action" value="decline" data-testid="decline">✋ {say["decline"]}</button></details>
<button class="quiet" name="action" value="leave" data-testid="leave">🚪 {say["leave"]}</button>
<p class="sure">{say["sure"]}</p></form>"""


def _language(request: web.Request) -> str:
    return texts.language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def _page(lang: str, status: str, body: str, code: int = 200) -> web.Response:
    say, other = texts.TEXTS[lang], "en" if lang == "ru" else "ru"
    words = {name: say[name] for name in ("mark", "checkout", "title")}
    text = PAGE.substitute(words, lang=lang, other=other, other_name=other.upper(), status=status, body=body)
    return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


def _verdict(name: str, lang: str, address: str, text: str = "", more: str = "") -> str:
    say, back = texts.TEXTS[lang], ""
    if address.startswith(("http://", "https://")):
        back = f'<a class="pay" data-testid="back" href="{escape(address)}">⛵ {say["back"]}</a>'
    return f"""<section class="verdict {name}" data-testid="verdict-{name}"><div class="sign">{SIGNS[name]}</div>
<h1>{say[f"{name}_title"]}</h1><p>{text or say[f"{name}_text"]}</p>{back}{more}</section>"""


def _amount(session: Json) -> str:
    minor, currency = session["amount_total"], session["currency"]
    value = str(minor) if currency in WHOLE else f"{minor // 100}.{minor % 100:02}"
    return f"{value} {SYMBOLS.get(currency, currency.upper())}"
