"""The wallet's page behind an invoice's address: `action` is pay or leave, with `asset`."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from aiohttp import web

from ferryman_sandbox.cryptopay.texts import COIN_ICONS, TEXTS
from ferryman_sandbox.cryptopay.till import Json, Till, plain, price
from ferryman_sandbox.payments.page import (
    SYMBOLS,
    Eyes,
    Frame,
    PayPage,
    again,
    bill,
    form,
    pay_button,
    verdict,
    ways_out,
)
from ferryman_sandbox.payments.words import Words

STYLE = Path(__file__).parent / "invoice.css"


class InvoicePage(PayPage[Json]):
    """Found by its hash."""

    def __init__(self, till: Till) -> None:
        super().__init__(Frame("invoice-page", "wallet", "👛", TEXTS, STYLE, "/invoice.css"))
        self._till = till

    def find(self, id_: str) -> Json:
        return self._till.get(id_)

    def shown(self, payment: Json, seen: str, eyes: Eyes) -> web.Response:
        body = _bill(payment, TEXTS[eyes.lang]) + _rest(payment, seen, eyes)
        return self.frame.page(eyes, payment["status"], body)

    def act(self, payment: Json, form: Mapping[str, str]) -> str:
        action = form.get("action", "")
        if action == "pay" and payment["status"] == "active":
            self._till.pay(payment["hash"], form.get("asset", ""))
            return "paid"
        return "left" if action == "leave" else "late"


def _rest(invoice: Json, seen: str, eyes: Eyes) -> str:
    """What is under the bill: the coins to choose from, or how it ended."""
    say = TEXTS[eyes.lang]
    if invoice["status"] == "paid":
        text = say["again_text"] if seen == "late" else ""
        return verdict(say, "paid", "✅", back=invoice.get("paid_btn_url", ""), text=text)
    if invoice["status"] == "expired":
        return verdict(say, "expired", "⌛")
    if seen == "left":
        return verdict(say, "left", "🚪") + again(say, eyes)
    accepted = invoice.get("accepted_assets") or [invoice["asset"]]
    coins = "".join(_coin(invoice, coin, number == 0) for number, coin in enumerate(accepted))
    choice = f"<fieldset><legend>{say['how']}</legend>{coins}</fieldset>"
    return form(eyes, choice + pay_button(say) + ways_out(say))


def _coin(invoice: Json, coin: str, chosen: bool) -> str:
    amount, _ = price(invoice, coin)
    mark = "checked" if chosen else ""
    return f"""<label class="coin"><input type="radio" name="asset" value="{coin}" {mark} data-testid="coin-{coin}">
<span>{COIN_ICONS[coin]}</span><span><b>{coin}</b><small>{plain(amount)}</small></span></label>"""


def _bill(invoice: Json, say: Words) -> str:
    unit = invoice.get("fiat") or invoice["asset"]
    rows = [
        ("🧾", "order", "description", invoice.get("description", "")),
        ("#️⃣", "number", "payment-id", str(invoice["invoice_id"])),
    ]
    if invoice["status"] == "active" and "expiration_date" in invoice:
        end = datetime.fromisoformat(invoice["expiration_date"])
        rows.append(("⏳", "until", "until", f"{end:%Y-%m-%d %H:%M} UTC"))
    return bill(say, f"{invoice['amount']} {SYMBOLS.get(unit, unit)}", rows)
