"""The bank's page behind `confirmation_url`: `action` is pay, decline or leave, with `method` and `reason`."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from aiohttp import web

from ferryman_sandbox.payments.page import (
    SYMBOLS,
    Eyes,
    Frame,
    PayPage,
    again,
    bill,
    form,
    pay_button,
    refusing,
    verdict,
    ways_out,
)
from ferryman_sandbox.payments.words import reason
from ferryman_sandbox.yookassa.checks import TEST_SHOP_METHODS
from ferryman_sandbox.yookassa.payment import PAYER_REASONS, Payment
from ferryman_sandbox.yookassa.shop import Shop
from ferryman_sandbox.yookassa.texts import METHOD_ICONS, REASONS, TEXTS

OFFERED = ("bank_card", "sbp", "sberbank", "tinkoff_bank", "yoo_money")


class BankPage(PayPage[Payment]):
    def __init__(self, shop: Shop) -> None:
        super().__init__(Frame("pay-page", "bank", "🏦", TEXTS, Path(__file__).parent / "pay.css"))
        self._shop = shop

    def find(self, id_: str) -> Payment:
        return self._shop.get(id_)

    def shown(self, payment: Payment, seen: str, eyes: Eyes) -> web.Response:
        body = self._bill(payment, eyes) + self._rest(payment, seen, eyes)
        return self.frame.page(eyes, payment.status, body)

    def act(self, payment: Payment, form: Mapping[str, str]) -> str:
        action = form.get("action", "")
        if action == "leave":
            return "left"
        if payment.status != "pending" or action not in ("pay", "decline"):
            return "late"
        if action == "pay":
            method = form.get("method", "")
            self._shop.pay(payment.id, method if method in self._methods(payment) else "")
        else:
            why = form.get("reason", "")
            self._shop.decline(payment.id, why if why in PAYER_REASONS else "general_decline")
        return action

    def _methods(self, payment: Payment) -> list[str]:
        if payment.only_method:
            return [payment.only_method]
        return [kind for kind in OFFERED if not self._shop.settings.test or kind in TEST_SHOP_METHODS]

    def _bill(self, payment: Payment, eyes: Eyes) -> str:
        rows = [
            ("🧾", "order", "description", payment.object.get("description", "")),
            ("🏪", "shop", "shop", f"№ {payment.object['recipient']['account_id']}"),
            ("#️⃣", "number", "payment-id", payment.id),
        ]
        return bill(TEXTS[eyes.lang], _amount(payment, eyes.lang), rows)

    def _rest(self, payment: Payment, seen: str, eyes: Eyes) -> str:
        say, back = TEXTS[eyes.lang], payment.return_url
        match payment.status:
            case "succeeded":
                return verdict(say, "paid", "✅", back=back, text=say["again_text"] if seen == "late" else "")
            case "waiting_for_capture":
                return verdict(say, "held", "⏸️", back=back)
            case "canceled":
                why = reason(REASONS, payment.object["cancellation_details"]["reason"], eyes.lang)
                note = say["late_text"] if seen == "late" else say["canceled_text"]
                return verdict(say, "canceled", "🚫", back=back, text=f"{why}. {note}")
        if seen == "left":
            return verdict(say, "left", "🚪", back=back) + again(say, eyes)
        return self._form(payment, eyes)

    def _form(self, payment: Payment, eyes: Eyes) -> str:
        say, lang = TEXTS[eyes.lang], eyes.lang
        methods = "".join(_method(kind, number == 0, lang) for number, kind in enumerate(self._methods(payment)))
        reasons = {code: reason(REASONS, code, lang) for code in REASONS if code in PAYER_REASONS}
        choice = f"<fieldset><legend>{say['how']}</legend>{methods}</fieldset>"
        buttons = pay_button(say, _amount(payment, lang)) + refusing(say, reasons) + ways_out(say)
        return form(eyes, choice + buttons)


def _method(kind: str, chosen: bool, lang: str) -> str:
    say = TEXTS[lang]
    title, hint = say.get(kind, escape(kind)), say.get(f"{kind}_hint", say["other_hint"])
    mark = "checked" if chosen else ""
    return f"""<label class="method"><input type="radio" name="method" value="{escape(kind)}" {mark}>
<span class="icon">{METHOD_ICONS.get(kind, "🏷️")}</span><span><b>{title}</b><small>{hint}</small></span></label>"""


def _amount(payment: Payment, lang: str) -> str:
    value, currency = f"{payment.amount:,.2f}", payment.object["amount"]["currency"]
    shown = value.replace(",", " ").replace(".", ",") if lang == "ru" else value
    return f"{shown} {SYMBOLS.get(currency, currency)}"
