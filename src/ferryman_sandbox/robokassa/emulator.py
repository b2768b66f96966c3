"""One shop: its links, its notifications, its states."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from html import escape
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from ferryman_sandbox.links import Bill, LinkEmulator, Wrong
from ferryman_sandbox.links.page import Till

STATES = {"waiting": 5, "declined": 10, "refunded": 60, "paid": 100}
LARGEST_NUMBER = 2**31 - 1


@dataclass
class RobokassaEmulator(LinkEmulator):
    """A client's base URL is the server's own. The passwords are those of the shop, or its test ones."""

    login: str = "demo"
    password_1: str = "pass1"
    password_2: str = "pass2"
    algorithm: str = "sha256"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app.router.add_get("/Merchant/WebService/Service.asmx/OpStateExt", self._state)

    @property
    def till(self) -> Till:
        return Till("/Merchant/Index.aspx", "Robokassa", "🤖", "#e8590c", "Culture")

    def visited(self, query: dict[str, str]) -> Bill:
        number, total = query.get("InvId", ""), query.get("OutSum", "")
        if query.get("MerchantLogin") != self.login:
            raise Wrong("26: there is no such shop")
        if not self._is_signed(query, [self.login, total, number], self.password_1, "SignatureValue"):
            raise Wrong("29: the signature does not fit")
        if not number.isdecimal() or not 0 < int(number) <= LARGEST_NUMBER:
            raise Wrong(f"InvId must be a number from 1 to {LARGEST_NUMBER}")
        try:
            amount = f"{Decimal(total):.2f}"
        except InvalidOperation as error:
            raise Wrong("OutSum must be a number") from error
        ref, bill = query.get("Shp_ref", ""), self.desk.find(number)
        if bill is not None and (bill.ref, bill.amount) != (ref, amount):
            raise Wrong("40: this InvId is taken")
        return bill or self.desk.open(number, ref, amount, "RUB", query.get("Description", ""))

    def notification(self, bill: Bill) -> str:
        """With six digits behind the point, as the service writes it."""
        total, extra = f"{bill.amount}0000", {"Shp_ref": bill.ref}
        proof = self._sign([total, bill.id], self.password_2, extra)
        fields = {"OutSum": total, "InvId": bill.id, "Fee": "3.50", "EMail": "", "SignatureValue": proof.upper()}
        return urlencode(fields | {"PaymentMethod": "BankCard", "IncCurrLabel": "BankCardPSR"} | extra)

    def wanted(self, body: str) -> str:
        return f"OK{parse_qs(body).get('InvId', [''])[0]}"

    async def _state(self, request: web.Request) -> web.Response:
        number, bill = request.query.get("InvoiceID", ""), self.desk.find(request.query.get("InvoiceID", ""))
        if request.query.get("MerchantLogin") != self.login:
            return _xml("<Result><Code>2</Code></Result>")
        if not self._is_signed(dict(request.query), [self.login, number], self.password_2, "Signature"):
            return _xml("<Result><Code>1</Code></Result>")
        if bill is None:
            return _xml("<Result><Code>3</Code></Result>")
        return _xml(
            f"<Result><Code>0</Code></Result><State><Code>{STATES[bill.status]}</Code></State>"
            f"<Info><IncCurrLabel>BankCardPSR</IncCurrLabel><IncSum>{bill.amount}0000</IncSum>"
            f"<OutCurrLabel>{bill.currency}</OutCurrLabel><OutSum>{bill.amount}0000</OutSum><OpKey>op-{bill.id}</OpKey></Info>"
            f"<UserField><Field><Name>shp_ref</Name><Value>{escape(bill.ref)}</Value></Field></UserField>"
        )

    def _is_signed(self, query: Mapping[str, str], parts: list[str], password: str, name: str) -> bool:
        extra = {key: value for key, value in query.items() if key.lower().startswith("shp_")}
        given = query.get(name, "").lower().encode()
        return hmac.compare_digest(self._sign(parts, password, extra).encode(), given)

    def _sign(self, parts: list[str], password: str, extra: Mapping[str, str]) -> str:
        text = ":".join([*parts, password, *(f"{name}={extra[name]}" for name in sorted(extra))])
        return hashlib.new(self.algorithm, text.encode()).hexdigest()


def _xml(inside: str) -> web.Response:
    space = 'xmlns="http://merchant.roboxchange.com/WebService/"'
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<OperationStateResponse {space}>{inside}</OperationStateResponse>'
    return web.Response(text=text, content_type="text/xml", charset="utf-8")
