"""The bills of one shop and their moves."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from ferryman_sandbox.payments import Refusal
from ferryman_sandbox.store import Store

Json = dict[str, Any]


class Wrong(Refusal):
    """A link or a move that the service refuses; the text is shown."""

    def response(self) -> web.Response:
        return web.json_response({"error": str(self)}, status=400)


@dataclass
class Bill:
    """`amount` as the link had it; `status` one of waiting, paid, declined, refunded; moments in Unix seconds."""

    id: str
    ref: str
    amount: str
    currency: str
    description: str
    created_at: float
    status: str = "waiting"
    paid_at: float | None = None


class Desk:
    """`announce(bill)` is called when one is paid."""

    def __init__(self, store: Store, now: Callable[[], float], announce: Callable[[Bill], object]) -> None:
        self._store = store
        self._now = now
        self._announce = announce

    def open(self, id_: str, ref: str, amount: str, currency: str, description: str) -> Bill:
        bill = Bill(id_, ref, amount, currency, description, self._now())
        self._keep(bill)
        return bill

    def find(self, id_: str) -> Bill | None:
        document = self._store.get("bill", id_)
        return None if document is None else Bill(**document)

    def get(self, id_: str) -> Bill:
        bill = self.find(id_)
        if bill is None:
            raise Wrong("there is no such bill")
        return bill

    def bills(self) -> list[Bill]:
        """Newest first."""
        return [Bill(**document) for _, document in self._store.all("bill")][::-1]

    def next_id(self) -> str:
        return str(self._store.next_number("bill", 1000001))

    def pay(self, id_: str) -> Bill:
        bill = self._in(id_, "waiting")
        bill.status, bill.paid_at = "paid", self._now()
        self._keep(bill)
        self._announce(bill)
        return bill

    def decline(self, id_: str) -> Bill:
        return self._move(id_, "waiting", "declined")

    def give_back(self, id_: str) -> Bill:
        """By hand in the cabinet; nobody is told."""
        return self._move(id_, "paid", "refunded")

    def _move(self, id_: str, before: str, after: str) -> Bill:
        bill = self._in(id_, before)
        bill.status = after
        self._keep(bill)
        return bill

    def _in(self, id_: str, status: str) -> Bill:
        bill = self.get(id_)
        if bill.status != status:
            raise Wrong(f"the bill is {bill.status}, not {status}")
        return bill

    def _keep(self, bill: Bill) -> None:
        self._store.put("bill", bill.id, asdict(bill))
