"""The bank's page behind `confirmation_url`: a plain form that works without JavaScript.

`GET /pay/{id}` shows the payment, `POST /pay/{id}` with `action=pay|decline|leave` (and `method`, `reason`) acts and
sends the browser back to the page, so a reload repeats nothing. Acting on a closed payment is answered calmly.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

import ferryman_sandbox.yookassa.texts as texts
from ferryman_sandbox.yookassa.checks import TEST_SHOP_METHODS
from ferryman_sandbox.yookassa.errors import ApiError
from ferryman_sandbox.yookassa.payment import PAYER_REASONS, Payment
from ferryman_sandbox.yookassa.shop import Shop

HERE = Path(__file__).parent
PAGE = Template((HERE / "pay.html").read_text(encoding="utf-8"))
STYLE = (HERE / "pay.css").read_text(encoding="utf-8")
OFFERED = ("bank_card", "sbp", "sberbank", "tinkoff_bank", "yoo_money")
SYMBOLS = {"RUB": "₽", "EUR": "€", "USD": "$"}
CARE = {"Cache-Control": "no-store", "X-Emulator": "1", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True)
class Eyes:
    """How the payer sees the page: language, and "light", "dark" or "" for the browser's own wish."""

    lang: str
    theme: str

    @classmethod
    def of(cls, request: web.Request) -> "Eyes":
        theme = request.query.get("theme", "")
        lang = texts.language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))
        return cls(lang, theme if theme in ("light", "dark") else "")

    @property
    def say(self) -> dict[str, str]:
        return texts.TEXTS[self.lang]

    @property
    def query(self) -> str:
        return f"lang={self.lang}&theme={self.theme}"


class PayPage:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/pay.css", self._style)
        app.router.add_get("/pay/{id}", self._show)
        app.router.add_post("/pay/{id}", self._act)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _show(self, request: web.Request) -> web.Response:
        eyes = Eyes.of(request)
        try:
            payment = self._shop.get(request.match_info["id"])
        except ApiError:
            return _page(eyes, "missing", _verdict("🧭", "missing", eyes, ""), 404)
        return _page(eyes, payment.status, self._body(payment, request.query.get("seen", ""), eyes))

    async def _act(self, request: web.Request) -> web.Response:
        form = await request.post()
        action, id_ = str(form.get("action", "")), request.match_info["id"]
        try:
            payment = self._shop.get(id_)
        except ApiError:
            return await self._show(request)
        seen = "left" if action == "leave" else "late"
        if payment.status == "pending" and action in ("pay", "decline"):
            self._move(payment, action, str(form.get("method", "")), str(form.get("reason", "")))
            seen = action
        raise web.HTTPSeeOther(f"/pay/{id_}?seen={seen}&{Eyes.of(request).query}", headers=CARE)

    def _move(self, payment: Payment, action: str, method: str, reason: str) -> None:
        if action == "pay":
            self._shop.pay(payment.id, method if method in self._methods(payment) else "")
        else:
            self._shop.decline(payment.id, reason if reason in PAYER_REASONS else "general_decline")

    def _methods(self, payment: Payment) -> list[str]:
        if payment.only_method:
            return [payment.only_method]
        return [kind for kind in OFFERED if not self._shop.settings.test or kind in TEST_SHOP_METHODS]

    def _body(self, payment: Payment, seen: str, eyes: Eyes) -> str:
        say, lang = eyes.say, eyes.lang
        match payment.status:
            case "succeeded":
                note = say["again_text"] if seen == "late" else say["paid_text"]
                return _bill(payment, eyes) + _verdict("✅", "paid", eyes, payment.return_url, note)
            case "waiting_for_capture":
                return _bill(payment, eyes) + _verdict("⏸️", "held", eyes, payment.return_url)
            case "canceled":
                reason = texts.reason(payment.object["cancellation_details"]["reason"], lang)
                note = say["late_text"] if seen == "late" else say["canceled_text"]
                return _bill(payment, eyes) + _verdict("🚫", "canceled", eyes, payment.return_url, f"{reason}. {note}")
        if seen == "left":
            again = f'<a class="quiet" data-testid="continue" href="?{escape(eyes.query)}">{say["continue"]}</a>'
            return _bill(payment, eyes) + _verdict("🚪", "left", eyes, payment.return_url) + again
        return _bill(payment, eyes) + self._form(payment, eyes)

    def _form(self, payment: Payment, eyes: Eyes) -> str:
        say, lang = eyes.say, eyes.lang
        methods = "".join(_method(kind, number == 0, lang) for number, kind in enumerate(self._methods(payment)))
        reasons = "".join(
            f'<option value="{code}">{escape(texts.reason(code, lang))}</option>'
            for code in texts.REASONS
            if code in PAYER_REASONS
        )
        return f"""<form method="post" action="?{escape(eyes.query)}" data-testid="pay-form">
<fieldset><legend>{say["how"]}</legend>{methods}</fieldset>
<button class="pay" name="action" value="pay" data-testid="pay">🔒 {say["pay"]} {_amount(payment, lang)}</button>
<details class="refuse"><summary data-testid="refuse">🏦 {say["decline_title"]}</summary>
<label>{say["reason"]}<select name="reason" data-testid="reason">{reasons}</select></label>
<button class="decline" name="action" value="decline" data-testid="decline">✋ {say["decline"]}</button></details>
<button class="quiet" name="action" value="leave" data-testid="leave">🚪 {say["leave"]}</button>
<p class="sure">{say["sure"]}</p></form>"""


def _page(eyes: Eyes, status: str, body: str, code: int = 200) -> web.Response:
    say, other = eyes.say, "en" if eyes.lang == "ru" else "ru"
    words = {name: say[name] for name in ("mark", "bank", "title")}
    place = {"lang": eyes.lang, "theme": eyes.theme, "other": other, "other_name": other.upper()}
    text = PAGE.substitute(words, **place, status=status, body=body)
    return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


def _bill(payment: Payment, eyes: Eyes) -> str:
    say, lang = eyes.say, eyes.lang
    description = escape(payment.object.get("description", "")) or "—"
    shop = escape(payment.object["recipient"]["account_id"])
    return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{_amount(payment, lang)}</p>
<dl><dt>🧾 {say["order"]}</dt><dd data-testid="description">{description}</dd>
<dt>🏪 {say["shop"]}</dt><dd>№ {shop}</dd>
<dt>#️⃣ {say["number"]}</dt><dd class="id" data-testid="payment-id">{payment.id}</dd></dl></section>"""


def _verdict(icon: str, name: str, eyes: Eyes, return_url: str, text: str = "") -> str:
    say = eyes.say
    back = ""
    if return_url.startswith(("http://", "https://")):
        back = f'<a class="pay" data-testid="back" href="{escape(return_url)}">⛵ {say["back"]}</a>'
    return f"""<section class="verdict {name}" data-testid="verdict-{name}"><div class="sign">{icon}</div>
<h1>{say[f"{name}_title"]}</h1><p>{escape(text) or say[f"{name}_text"]}</p>{back}</section>"""


def _method(kind: str, chosen: bool, lang: str) -> str:
    say = texts.TEXTS[lang]
    title, hint = say.get(kind, escape(kind)), say.get(f"{kind}_hint", say["other_hint"])
    mark = "checked" if chosen else ""
    return f"""<label class="method"><input type="radio" name="method" value="{escape(kind)}" {mark}>
<span class="icon">{texts.METHOD_ICONS.get(kind, "🏷️")}</span><span><b>{title}</b><small>{hint}</small></span></label>"""


def _amount(payment: Payment, lang: str) -> str:
    value, currency = f"{payment.amount:,.2f}", payment.object["amount"]["currency"]
    shown = value.replace(",", " ").replace(".", ",") if lang == "ru" else value
    return f"{shown} {SYMBOLS.get(currency, currency)}"
