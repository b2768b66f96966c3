"""The pay page behind the link: a plain form that works without JavaScript, in Russian and English."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from ferryman_sandbox.links.bill import Bill, Desk, Wrong

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text(encoding="utf-8"))
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
CARE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

TEXTS = {
    "ru": {
        "mark": "Эмулятор · тестовые деньги",
        "to_pay": "К оплате",
        "order": "Назначение",
        "number": "Номер счёта",
        "pay": "Заплатить",
        "decline": "Отказаться",
        "waiting": "Оплата счёта",
        "paid": "Оплачено",
        "paid_text": "Деньги отправлены магазину. Можно вернуться в чат.",
        "declined": "Платёж не прошёл",
        "declined_text": "Деньги не списаны. Вернитесь в чат и попробуйте ещё раз.",
        "refunded": "Деньги возвращены",
        "refunded_text": "Магазин вернул деньги за этот счёт.",
        "wrong": "Ссылка не подходит",
        "sure": "Здесь нет настоящего банка: ни одна карта не нужна.",
    },
    "en": {
        "mark": "Emulator · test money",
        "to_pay": "To pay",
        "order": "For",
        "number": "Bill number",
        "pay": "Pay",
        "decline": "Refuse",
        "waiting": "Pay the bill",
        "paid": "Paid",
        "paid_text": "The money is on its way to the shop. You can return to the chat.",
        "declined": "The payment failed",
        "declined_text": "No money was taken. Return to the chat and try again.",
        "refunded": "Given back",
        "refunded_text": "The shop has given the money back.",
        "wrong": "This link does not fit",
        "sure": "There is no real bank here: no card is needed.",
    },
}
SIGNS = {"paid": "✅", "declined": "🚫", "refunded": "↩️"}
SYMBOLS = {"RUB": "₽", "USD": "$", "EUR": "€", "UAH": "₴", "KZT": "₸"}


@dataclass(frozen=True)
class Till:
    """`path` is where the links lead; `language` the name of the link's field that says the payer's."""

    path: str
    title: str
    icon: str
    accent: str
    language: str


class Page:
    def __init__(self, desk: Desk, till: Till, visited: Callable[[dict[str, str]], Bill]) -> None:
        self._desk = desk
        self._till = till
        self._visited = visited

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/page.css", self._style)
        app.router.add_get(self._till.path, self._arrive)
        app.router.add_get("/bill/{id}", self._show)
        app.router.add_post("/bill/{id}", self._act)

    async def _style(self, _: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css")

    async def _arrive(self, request: web.Request) -> web.Response:
        """The link itself: the payer is sent on to the bill, so that a reload repeats nothing."""
        lang = _language(request.query.get(self._till.language, ""))
        try:
            bill = self._visited(dict(request.query))
        except Wrong as wrong:
            return self._page(lang, "wrong", _verdict("🧭", TEXTS[lang]["wrong"], str(wrong)), 400)
        raise web.HTTPSeeOther(f"/bill/{bill.id}?lang={lang}", headers=CARE)

    async def _show(self, request: web.Request) -> web.Response:
        lang = _language(request.query.get("lang", ""))
        bill = self._desk.find(request.match_info["id"])
        if bill is None:
            return self._page(lang, "wrong", _verdict("🧭", TEXTS[lang]["wrong"], ""), 404)
        say = TEXTS[lang]
        end = (
            _form(say, bill)
            if bill.status == "waiting"
            else _verdict(SIGNS[bill.status], say[bill.status], say[f"{bill.status}_text"])
        )
        return self._page(lang, bill.status, _what(say, bill) + end)

    async def _act(self, request: web.Request) -> web.Response:
        """A bill that is closed already stays as it is."""
        id_, action = request.match_info["id"], str((await request.post()).get("action", ""))
        bill = self._desk.find(id_)
        if bill is not None and bill.status == "waiting":
            if action == "pay":
                self._desk.pay(id_)
            elif action == "decline":
                self._desk.decline(id_)
        raise web.HTTPSeeOther(f"/bill/{id_}?lang={_language(request.query.get('lang', ''))}", headers=CARE)

    def _page(self, lang: str, status: str, body: str, code: int = 200) -> web.Response:
        other = "en" if lang == "ru" else "ru"
        text = PAGE.substitute(
            lang=lang,
            other=other,
            other_name=other.upper(),
            status=status,
            title=escape(self._till.title),
            icon=self._till.icon,
            accent=self._till.accent,
            mark=TEXTS[lang]["mark"],
            body=body,
        )
        return web.Response(text=text, status=code, content_type="text/html", headers=CARE)


def _language(asked: str) -> str:
    return "ru" if asked.lower().startswith("ru") else "en"


def _what(say: dict[str, str], bill: Bill) -> str:
    amount = f"{escape(bill.amount)} {SYMBOLS.get(bill.currency, escape(bill.currency))}"
    return f"""<section class="bill"><p class="label">{say["to_pay"]}</p>
<p class="amount" data-testid="amount">{amount}</p>
<dl><dt>🧾 {say["order"]}</dt><dd data-testid="description">{escape(bill.description) or "—"}</dd>
<dt>#️⃣ {say["number"]}</dt><dd data-testid="number">{escape(bill.id)}</dd></dl></section>"""


def _form(say: dict[str, str], bill: Bill) -> str:
    return f"""<form method="post" data-testid="pay-form"><h1>{say["waiting"]}</h1>
<button class="pay" name="action" value="pay" data-testid="pay">🔒 {say["pay"]} {escape(bill.amount)}</button>
<button class="quiet" name="action" value="decline" data-testid="decline">✋ {say["decline"]}</button>
<p class="sure">{say["sure"]}</p></form>"""


def _verdict(sign: str, title: str, text: str) -> str:
    return f"""<section class="verdict" data-testid="verdict"><div class="sign">{sign}</div>
<h1>{escape(title)}</h1><p>{escape(text)}</p></section>"""
