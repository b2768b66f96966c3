"""The pay page behind the link: a plain form that works without JavaScript, in Russian and English."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ferryman_sandbox.links.bill import Bill, Desk, Wrong
from ferryman_sandbox.payments.page import CARE, SYMBOLS, Eyes, Frame, PayPage, bill, form, pay_button, verdict
from ferryman_sandbox.payments.words import language, worded

STYLE = Path(__file__).parent / "page.css"
TEXTS = worded(
    {
        "ru": {
            "number": "Номер счёта",
            "decline": "Отказаться",
            "waiting": "Оплата счёта",
            "declined_title": "Платёж не прошёл",
            "declined_text": "Деньги не списаны. Вернитесь в чат и попробуйте ещё раз.",
            "refunded_title": "Деньги возвращены",
            "refunded_text": "Магазин вернул деньги за этот счёт.",
            "missing_title": "Ссылка не подходит",
        },
        "en": {
            "number": "Bill number",
            "decline": "Refuse",
            "waiting": "Pay the bill",
            "declined_title": "The payment failed",
            "declined_text": "No money was taken. Return to the chat and try again.",
            "refunded_title": "Given back",
            "refunded_text": "The shop has given the money back.",
            "missing_title": "This link does not fit",
        },
    }
)
SIGNS = {"paid": "✅", "declined": "🚫", "refunded": "↩️"}


@dataclass(frozen=True)
class Till:
    """`path` is where the links lead; `language` the name of the link's field that says the payer's."""

    path: str
    title: str
    icon: str
    accent: str
    language: str


class LinkPage(PayPage[Bill]):
    def __init__(self, desk: Desk, till: Till, visited: Callable[[dict[str, str]], Bill]) -> None:
        super().__init__(Frame("bill-page", till.title, till.icon, TEXTS, STYLE, "/page.css", till.accent), "/bill")
        self._desk = desk
        self._till = till
        self._visited = visited

    def add_routes(self, app: web.Application) -> None:
        super().add_routes(app)
        app.router.add_get(self._till.path, self._arrive)

    async def _arrive(self, request: web.Request) -> web.Response:
        """The link itself: the payer is sent on to the bill, so that a reload repeats nothing."""
        eyes = Eyes(language(request.query.get(self._till.language, "")))
        try:
            found = self._visited(dict(request.query))
        except Wrong as wrong:
            return self.missing(eyes, str(wrong), 400)
        raise web.HTTPSeeOther(f"/bill/{found.id}?{eyes.query()}", headers=CARE)

    def find(self, id_: str) -> Bill:
        return self._desk.get(id_)

    def shown(self, payment: Bill, seen: str, eyes: Eyes) -> web.Response:
        del seen
        say = TEXTS[eyes.lang]
        amount = f"{payment.amount} {SYMBOLS.get(payment.currency, payment.currency)}"
        rows = [("🧾", "order", "description", payment.description), ("#️⃣", "number", "number", payment.id)]
        if payment.status == "waiting":
            refuse = '<button class="quiet" name="action" value="decline" data-testid="decline">✋ '
            refuse += f"{say['decline']}</button>"
            buttons = f'{pay_button(say, payment.amount)}{refuse}<p class="sure">{say["sure"]}</p>'
            end = form(eyes, f"<h1>{say['waiting']}</h1>{buttons}")
        else:
            end = verdict(say, payment.status, SIGNS[payment.status])
        return self.frame.page(eyes, payment.status, bill(say, amount, rows) + end)

    def act(self, payment: Bill, form: Mapping[str, str]) -> str:
        action = form.get("action", "")
        if payment.status == "waiting" and action == "pay":
            self._desk.pay(payment.id)
        elif payment.status == "waiting" and action == "decline":
            self._desk.decline(payment.id)
        return ""
