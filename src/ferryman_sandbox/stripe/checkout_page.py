"""The page behind a session's `url`: `action` is pay, decline or leave, with `reason`."""

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
    form,
    pay_button,
    refusing,
    verdict,
    ways_out,
)
from ferryman_sandbox.payments.words import reason
from ferryman_sandbox.stripe.account import DECLINES, Account
from ferryman_sandbox.stripe.records import Json
from ferryman_sandbox.stripe.texts import REASONS, TEXTS

WHOLE = ("jpy", "krw", "vnd")
STYLE = Path(__file__).parent / "checkout.css"


class CheckoutPage(PayPage[Json]):
    def __init__(self, account: Account) -> None:
        super().__init__(Frame("checkout-page", "checkout", "🛒", TEXTS, STYLE, "/checkout.css", wide=True))
        self._account = account

    def find(self, id_: str) -> Json:
        return self._account.session(id_)

    def shown(self, payment: Json, seen: str, eyes: Eyes) -> web.Response:
        rest = _ending(payment, seen, eyes) or _form(payment, seen, eyes)
        body = self._bill(payment, eyes) + rest
        return self.frame.page(eyes, payment["status"], body)

    def act(self, payment: Json, form: Mapping[str, str]) -> str:
        action = form.get("action", "")
        if action == "leave":
            return "left"
        if action not in ("pay", "decline") or payment["status"] != "open":
            return "late"
        if action == "pay":
            self._account.pay(payment["id"])
            return "paid"
        why = form.get("reason", "")
        why = why if why in DECLINES else "generic_decline"
        self._account.refuse(payment["id"], why)
        return why

    def _bill(self, session: Json, eyes: Eyes) -> str:
        return f"""<section class="bill"><p class="label">{TEXTS[eyes.lang]["to_pay"]}</p>
<p class="amount" data-testid="amount">{_amount(session)}</p>
<p class="product" data-testid="description">🧾 {escape(self._account.product(session))}</p>
<p class="id" data-testid="payment-id">{session["id"]}</p></section>"""


def _ending(session: Json, seen: str, eyes: Eyes) -> str:
    """How it ended; "" while it has not."""
    say = TEXTS[eyes.lang]
    if session["status"] == "expired":
        return verdict(say, "expired", "⌛", back=session["cancel_url"] or "")
    if session["payment_status"] == "paid":
        text = say["again_text"] if seen == "late" else ""
        return verdict(say, "paid", "✅", back=session["success_url"], text=text)
    if session["status"] == "complete":
        return verdict(say, "waits", "⏳", back=session["success_url"])
    if seen == "left":
        return verdict(say, "left", "🚪", back=session["cancel_url"] or "", more=again(say, eyes))
    return ""


def _form(session: Json, seen: str, eyes: Eyes) -> str:
    say, trouble = TEXTS[eyes.lang], ""
    if seen in DECLINES:
        why = escape(reason(REASONS, seen, eyes.lang))
        trouble = f'<p class="trouble" data-testid="declined">✋ {say["declined"]}: {why}</p>'
    hint = say["kept_hint"] if session["customer"] else say["card_hint"]
    card = f'<span class="icon">💳</span><span><b>{say["card"]}</b><small>{hint}</small></span>'
    reasons = {code: reason(REASONS, code, eyes.lang) for code in DECLINES}
    buttons = pay_button(say, _amount(session)) + refusing(say, reasons) + ways_out(say)
    return form(eyes, f'{trouble}<p class="plastic">{card}</p>{buttons}')


def _amount(session: Json) -> str:
    minor, currency = session["amount_total"], session["currency"].upper()
    value = str(minor) if session["currency"] in WHOLE else f"{minor // 100}.{minor % 100:02}"
    return f"{value} {SYMBOLS.get(currency, currency)}"
