"""The page behind an invoice's address: `action` is one of the bill's, `choose` with `coin`.

What an invoice does not offer in its state is not done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Protocol

from aiohttp import web

from ferryman_sandbox.coins.rates import COINS
from ferryman_sandbox.coins.texts import ICONS, SIGNS, TEXTS
from ferryman_sandbox.payments.page import Eyes, Frame, PayPage, bill, form, verdict
from ferryman_sandbox.payments.words import Words

STYLE = Path(__file__).parent / "page.css"


@dataclass(frozen=True)
class Brand:
    """Whose page it is. `accent` is a CSS colour."""

    name: str
    icon: str
    accent: str


@dataclass(frozen=True)
class Bill:
    """An invoice as its payer sees it.

    `state` is new (no coin chosen), waiting, or one of the verdicts in `SIGNS`; `actions` are what can be done:
    choose, exact, less, more, rest, late, cancel. `until` is in Unix seconds, 0 = for ever.
    """

    key: str
    """The last part of the page's address."""
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
        """Raises a Refusal when there is none."""
        ...

    def act(self, key: str, action: str, coin: str) -> object:
        """Do one of the bill's actions."""
        ...


class InvoicePage(PayPage[Bill]):
    def __init__(self, till: Till, brand: Brand) -> None:
        super().__init__(Frame("invoice-page", brand.name, brand.icon, TEXTS, STYLE, accent=brand.accent))
        self._till = till

    def find(self, id_: str) -> Bill:
        return self._till.bill(id_)

    def shown(self, payment: Bill, seen: str, eyes: Eyes) -> web.Response:
        del seen
        say = TEXTS[eyes.lang]
        body = _bill(payment, say) + _rest(payment, eyes) + f'<p class="sure">{say["sure"]}</p>'
        # A page that waits for the network looks again by itself.
        head = '<meta http-equiv="refresh" content="2">' if payment.state == "seen" else ""
        return self.frame.page(eyes, payment.state, body, head=head)

    def act(self, payment: Bill, form: Mapping[str, str]) -> str:
        action, coin = form.get("action", ""), form.get("coin", "")
        if action in payment.actions and (action != "choose" or coin in COINS):
            self._till.act(payment.key, action, coin)
        return ""


def _bill(invoice: Bill, say: Words) -> str:
    rows = [("🧾", "order", "description", invoice.description), ("#️⃣", "number", "payment-id", invoice.id)]
    if invoice.until and invoice.state in ("new", "waiting"):
        rows.append(("⏳", "until", "until", f"{datetime.fromtimestamp(invoice.until, UTC):%Y-%m-%d %H:%M:%S} UTC"))
    return bill(say, invoice.price, rows)


def _rest(invoice: Bill, eyes: Eyes) -> str:
    """What is under the bill: the coins to choose from, where to send them, or how it ended."""
    say = TEXTS[eyes.lang]
    match invoice.state:
        case "new":
            body = _choice(invoice, say)
        case "waiting":
            body = _transfer(invoice, say)
        case _:
            body = verdict(say, invoice.state, SIGNS[invoice.state], back=invoice.back_url)
    buttons = "".join(
        f'<button class="{"pay" if number == 0 else "quiet"}" name="action" value="{action}" data-testid="{action}">'
        f"{ICONS[action]} {say[action]}</button>"
        for number, action in enumerate(invoice.actions)
    )
    return form(eyes, body + buttons)


def _choice(invoice: Bill, say: Words) -> str:
    coins = "".join(
        f"""<label class="coin"><input type="radio" name="coin" value="{coin}" {"checked" if number == 0 else ""}
data-testid="coin-{coin}"><span>{COINS[coin][1]}</span><span><b>{coin}</b><small>{amount}</small></span></label>"""
        for number, (coin, amount) in enumerate(invoice.coins)
    )
    return f"<fieldset><legend>{say['how']}</legend>{coins}</fieldset>"


def _transfer(invoice: Bill, say: Words) -> str:
    missing = ""
    if invoice.missing:
        missing = f'<p class="missing" data-testid="missing">🪫 {say["missing"]}: {escape(invoice.missing)}</p>'
    return f"""<section class="transfer"><p class="label">{say["send"]}</p>
<p class="coins" data-testid="to-send">{escape(invoice.to_send)}</p><p class="label">{say["address"]}</p>
<p class="address" data-testid="address">{escape(invoice.address)}</p>{missing}</section>"""
