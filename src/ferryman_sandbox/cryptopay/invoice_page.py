"""The wallet's page behind an invoice's address: a plain form that works without JavaScript.

`GET /pay/{hash}` shows the invoice, `POST /pay/{hash}` with `action=pay|leave` (and `asset`) acts and sends the browser
back to the page, so a reload repeats nothing. Acting on a closed invoice is answered calmly.
"""

from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

import ferryman_sandbox.cryptopay.texts as texts
from ferryman_sandbox.cryptopay.checks import ApiError
from ferryman_sandbox.cryptopay.till import Json, Till, plain, price

HERE = Path(__file__).parent
PAGE = Template((HERE / "invoice.html").read_text(encoding="utf-8"))
STYLE = (HERE / "invoice.css").read_text(encoding="utf-8")
SYMBOLS = {"RUB": "₽", "EUR": "€", "USD": "$"}
CARE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
VERDICTS = {"paid": "✅", "expired": "⌛", "left": "🚪", "missing": "🧭"}


class InvoicePage:
    def __init__(self, till: Till) -> None:
        self._till = till

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/invoice.css", self._style)
        app.router.add_get("/pay/{hash}", self._show)
        app.router.add_post("/pay/{hash}", self._act)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _show(self, request: web.Request) -> web.Response:
        lang = _language(request)
        try:
            invoice = self._till.get(request.match_info["hash"])
        except ApiError:
            return _page(lang, "missing", _verdict("missing", lang, {}), 404)
        body = _bill(invoice, lang) + _rest(invoice, request.query.get("seen", ""), lang)
        return _page(lang, invoice["status"], body)

    async def _act(self, request: web.Request) -> web.Response:
        form = await request.post()
        action, hash_ = str(form.get("action", "")), request.match_info["hash"]
        try:
            invoice = self._till.get(hash_)
        except ApiError:
            return await self._show(request)
        seen = "left" if action == "leave" else "late"
        if action == "pay" and invoice["status"] == "active":
            self._till.pay(hash_, str(form.get("asset", "")))
            seen = "paid"
        raise web.HTTPSeeOther(f"/pay/{hash_}?seen={seen}&lang={_language(request)}", headers=CARE)


def _language(request: web.Request) -> str:
    return texts.language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def _page(lang: str, status: str, body: str, code: int = 200) -> web.Response:
    say, other = texts.TEXTS[lang], "en" if lang == "ru" else "ru"
    words = {name: say[name] for name in ("mark", "wallet", "title")}
    text = PAGE.substitute(words, lang=lang, other=other, other_name=other.upper(), status=status, body=body)
    return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


def _rest(invoice: Json, seen: str, lang: str) -> str:
    """What is under the bill: the coins to choose from, or how it ended."""
    say = texts.TEXTS[lang]
    if invoice["status"] == "paid":
        return _verdict("paid", lang, invoice, say["again_text"] if seen == "late" else "")
    if invoice["status"] == "expired":
        return _verdict("expired", lang, invoice)
    if seen == "left":
        again = f'<a class="quiet" data-testid="continue" href="?lang={lang}">↩️ {say["continue"]}</a>'
        return _verdict("left", lang, invoice) + again
    accepted = invoice.get("accepted_assets") or [invoice["asset"]]
    coins = "".join(_coin(invoice, coin, number == 0) for number, coin in enumerate(accepted))
    return f"""<form method="post" action="?lang={lang}" data-testid="pay-form">
<fieldset><legend>{say["how"]}</legend>{coins}</fieldset>
<button class="pay" name="action" value="pay" data-testid="pay">🔒 {say["pay"]}</button>
<button class="quiet" name="action" value="leave" data-testid="leave">🚪 {say["leave"]}</button>
<p class="sure">{say["sure"]}</p></form>"""


def _coin(invoice: Json, coin: str, chosen: bool) -> str:
    amount, _ = price(invoice, coin)
    mark = "checked" if chosen else ""
    return f"""<label class="coin"><input type="radio" name="asset" value="{coin}" {mark} data-testid="coin-{coin}">
<span>{texts.COIN_ICONS[coin]}</span><span><b>{coin}</b><small>{plain(amount)}</small></span></label>"""


def _bill(invoice: Json, lang: str) -> str:
    say = texts.TEXTS[lang]
    unit = invoice.get("fiat") or invoice["asset"]
    rows = [("🧾", "order", "description", escape(invoice.get("description", "")) or "—")]
    rows.append(("#️⃣", "number", "payment-id", str(invoice["invoice_id"])))
    if invoice["status"] == "active" and "expiration_date" in invoice:
        end = datetime.fromisoformat(invoice["expiration_date"])
        rows.append(("⏳", "until", "until", f"{end:%Y-%m-%d %H:%M} UTC"))
    lines = [f'<dt>{icon} {say[word]}</dt><dd data-testid="{test}">{text}</dd>' for icon, word, test, text in rows]
    return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{escape(invoice["amount"])} {SYMBOLS.get(unit, unit)}</p>
<dl>{"".join(lines)}</dl></section>"""


def _verdict(name: str, lang: str, invoice: Json, text: str = "") -> str:
    say, back = texts.TEXTS[lang], ""
    if invoice.get("paid_btn_url") and name == "paid":
        back = f'<a class="pay" data-testid="back" href="{escape(invoice["paid_btn_url"])}">⛵ {say["back"]}</a>'
    return f"""<section class="verdict {name}" data-testid="verdict-{name}"><div class="sign">{VERDICTS[name]}</div>
<h1>{say[f"{name}_title"]}</h1><p>{text or say[f"{name}_text"]}</p>{back}</section>"""
