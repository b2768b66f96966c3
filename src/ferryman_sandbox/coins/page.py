"""The page behind an invoice's address: a plain form that works without JavaScript.

`GET /pay/{id}` shows the invoice, `POST /pay/{id}` with `action` (and `coin`) acts and sends the browser back to the
page, so a reload repeats nothing. What an invoice does not offer in its state is not done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Protocol

from aiohttp import web

import ferryman_sandbox.coins.texts as texts
from ferryman_sandbox.coins.rates import COINS
from ferryman_sandbox.payments import Refusal

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text(encoding="utf-8"))
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
CARE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True)
class Brand:
    """Whose page it is. `accent` is a CSS colour."""

    name: str
    icon: str
    accent: str


@dataclass(frozen=True)
class Bill:
    """An invoice as its payer sees it.

    `state` is new (no coin chosen), waiting, or one of the verdicts in `texts.SIGNS`; `actions` are what can be done:
    choose, exact, less, more, rest, late, cancel. `until` is in Unix seconds, 0 = for ever.
    """

    id: str
    state: str
    price: str
    description: str
    actions: Sequence[str] = ()
    coins: Sequence[tuple[str, str]] = ()
    """What may be chosen: the coin, and how much of it."""
    to_send: str = ""
    address: str = ""
    missing: str = ""
    until: float = 0.0
    back_url: str = ""


class Till(Protocol):
    def bill(self, key: str) -> Bill:
        """Raises a Refusal when there is none. `key` is the last part of the page's address."""
        ...

    def act(self, key: str, action: str, coin: str) -> object:
        """Do one of the bill's actions."""
        ...


class InvoicePage:
    def __init__(self, till: Till, brand: Brand) -> None:
        self._till = till
        self._brand = brand

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/pay.css", self._style)
        app.router.add_get("/pay/{id}", self._show)
        app.router.add_post("/pay/{id}", self._act)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _show(self, request: web.Request) -> web.Response:
        lang = texts.language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))
        try:
            bill = self._till.bill(request.match_info["id"])
        except Refusal:
            return self._page(lang, "missing", _verdict("missing", lang, ""), 404)
        return self._page(lang, bill.state, _bill(bill, lang) + _rest(bill, lang))

    async def _act(self, request: web.Request) -> web.Response:
        form = await request.post()
        key, action, coin = request.match_info["id"], str(form.get("action", "")), str(form.get("coin", ""))
        try:
            bill = self._till.bill(key)
        except Refusal:
            return await self._show(request)
        if action in bill.actions and (action != "choose" or coin in COINS):
            self._till.act(key, action, coin)
        lang = texts.language(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))
        raise web.HTTPSeeOther(f"/pay/{key}?lang={lang}", headers=CARE)

    def _page(self, lang: str, state: str, body: str, code: int = 200) -> web.Response:
        say, other = texts.TEXTS[lang], "en" if lang == "ru" else "ru"
        text = PAGE.substitute(
            lang=lang,
            other=other,
            other_name=other.upper(),
            title=say["title"],
            mark=say["mark"],
            sure=say["sure"],
            name=self._brand.name,
            icon=self._brand.icon,
            accent=self._brand.accent,
            state=state,
            # A page that waits for the network looks again by itself.
            refresh='<meta http-equiv="refresh" content="2">' if state == "seen" else "",
            body=body,
        )
        return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


def _bill(bill: Bill, lang: str) -> str:
    say = texts.TEXTS[lang]
    rows = [("🧾", "order", "description", bill.description or "—"), ("#️⃣", "number", "payment-id", bill.id)]
    if bill.until and bill.state in ("new", "waiting"):
        rows.append(("⏳", "until", "until", f"{datetime.fromtimestamp(bill.until, UTC):%Y-%m-%d %H:%M:%S} UTC"))
    lines = [
        f'<dt>{icon} {say[word]}</dt><dd data-testid="{test}">{escape(text)}</dd>' for icon, word, test, text in rows
    ]
    return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{escape(bill.price)}</p><dl>{"".join(lines)}</dl></section>"""


def _rest(bill: Bill, lang: str) -> str:
    """What is under the bill: the coins to choose from, where to send them, or how it ended."""
    match bill.state:
        case "new":
            body = _choice(bill, lang)
        case "waiting":
            body = _transfer(bill, lang)
        case _:
            body = _verdict(bill.state, lang, bill.back_url)
    say = texts.TEXTS[lang]
    buttons = "".join(
        f'<button class="{"pay" if number == 0 else "quiet"}" name="action" value="{action}" data-testid="{action}">'
        f"{texts.ICONS[action]} {say[action]}</button>"
        for number, action in enumerate(bill.actions)
    )
    return f'<form method="post" action="?lang={lang}" data-testid="pay-form">{body}{buttons}</form>'


def _choice(bill: Bill, lang: str) -> str:
    coins = "".join(
        f"""<label class="coin"><input type="radio" name="coin" value="{coin}" {"checked" if number == 0 else ""}
data-testid="coin-{coin}"><span>{COINS[coin][1]}</span><span><b>{coin}</b><small>{amount}</small></span></label>"""
        for number, (coin, amount) in enumerate(bill.coins)
    )
    return f"<fieldset><legend>{texts.TEXTS[lang]['how']}</legend>{coins}</fieldset>"


def _transfer(bill: Bill, lang: str) -> str:
    say = texts.TEXTS[lang]
    missing = ""
    if bill.missing:
        missing = f'<p class="missing" data-testid="missing">🪫 {say["missing"]}: {escape(bill.missing)}</p>'
    return f"""<section class="transfer"><p class="label">{say["send"]}</p>
<p class="coins" data-testid="to-send">{escape(bill.to_send)}</p><p class="label">{say["address"]}</p>
<p class="address" data-testid="address">{escape(bill.address)}</p>{missing}</section>"""


def _verdict(state: str, lang: str, back_url: str) -> str:
    say, sign, back = texts.TEXTS[lang], texts.SIGNS[state], ""
    if back_url.startswith(("http://", "https://")):
        back = f'<a class="pay" data-testid="back" href="{escape(back_url)}">⛵ {say["back"]}</a>'
    return f"""<section class="verdict {state}" data-testid="verdict-{state}"><div class="sign">{sign}</div>
<h1>{say[f"{state}_title"]}</h1><p>{say[f"{state}_text"]}</p>{back}</section>"""
