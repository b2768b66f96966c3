"""The account's orders: their moves, what time does to them, and what is called back about each."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import ferryman_sandbox.coingate.checks as checks
from ferryman_sandbox.coingate.checks import ApiError, Json, invalid_order, not_found
from ferryman_sandbox.coingate.order import Order, iso, new
from ferryman_sandbox.coins import COINS, Bill, coins_for, plain
from ferryman_sandbox.payments import Deadlines
from ferryman_sandbox.store import Store

HOUR, MINUTE = 3600.0, 60.0
NEW_LASTS, PENDING_LASTS, CONFIRMING_LASTS = 2 * HOUR, 20 * MINUTE, 2.0
FEE = Decimal("0.01")


@dataclass
class Settings:
    """`callback_format` is "json" or "form", as the API app has it. Limits: 0 = none."""

    callback_format: str = "json"
    orders_per_hour: int = 0
    calls_per_minute: int = 0

    def change(self, given: Json) -> None:
        """Raises ValueError; nothing is changed then."""
        new = Settings(**(asdict(self) | given))
        if new.callback_format not in ("json", "form") or new.orders_per_hour < 0 or new.calls_per_minute < 0:
            raise ValueError('callback_format is "json" or "form"; a limit is 0 or more')
        self.__dict__.update(asdict(new))


@dataclass
class Desk:
    """`announce(body, url)` is called for each change that the real service calls back about."""

    store: Store
    now: Callable[[], float]
    announce: Callable[[str, str], Any]
    settings: Settings = field(init=False)
    deadlines: Deadlines = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(**(self.store.get("settings", "app") or {}))
        self.deadlines = Deadlines(self.now, self._overdue)
        for order in self.orders():
            self._keep(order)

    def forget(self) -> None:
        """The store was emptied."""
        self.settings = Settings()

    def set(self, given: Json) -> None:
        self.settings.change(given)
        self.store.put("settings", "app", asdict(self.settings))

    # The merchant's side.

    def create(self, body: Json, site: str) -> Json:
        """Raises ApiError. `site` is where the invoice page lives. Only this answer shows the order's token."""
        price = checks.new_order(body)
        cap, now = self.settings.orders_per_hour, self.now()
        if cap and sum(order.created_at > now - HOUR for order in self.orders()) >= cap:
            raise invalid_order("Order limit exceeded, contact support to raise it")
        id_, key = self.store.next_number("order", 1001), str(uuid.uuid4())
        order = Order(
            object=new(id_, body, price, now) | {"payment_url": f"{site}/pay/{key}"},
            token=str(body.get("token") or secrets.token_urlsafe(22)),
            key=key,
            callback_url=str(body.get("callback_url", "")),
            success_url=str(body.get("success_url", "")),
            due_at=now + NEW_LASTS,
        )
        self._keep(order)
        self.store.put("page", key, {"id": id_})
        return order.object | {"token": order.token}

    def get(self, id_: str | int) -> Order:
        self.deadlines.let_time_pass()
        document = self.store.get("order", id_)
        if document is None:
            raise not_found()
        return Order(**document)

    def orders(self) -> list[Order]:
        """Oldest first."""
        return [Order(**document) for _, document in self.store.all("order")]

    def checkout(self, id_: str | int, coin: str, *, silent: bool = False) -> Order:
        """The shopper, or the merchant for them, chooses a coin."""
        order = self.get(id_)
        if order.status != "new":
            raise invalid_order(f"Order is {order.status}")
        if coin not in COINS:
            raise invalid_order("Pay currency is not supported")
        amount = coins_for(order.price, order.object["price_currency"], coin)
        order.due_at = self.now() + PENDING_LASTS
        order.object |= {
            "status": "pending",
            "pay_currency": coin,
            "pay_amount": plain(amount),
            "payment_address": f"emu{secrets.token_hex(16)}",
            "expire_at": iso(order.due_at),
        }
        return self._changed(order, announced=not silent)

    def refund(self, id_: str | int, body: Json) -> Json:
        """Ask for a refund; it stays pending until it is marked."""
        order = self.get(id_)
        if order.status not in ("paid", "partially_refunded"):
            raise ApiError(422, "RefundIsNotValid", "Refund is not valid", (f"Order is {order.status}",))
        open_ = [one for one in order.object["refunds"] if one["status"] != "rejected"]
        left = order.price - sum((Decimal(one["request_amount"]) for one in open_), Decimal(0))
        amount = checks.new_refund(body, left)
        refund = {
            "id": self.store.next_number("refund", 501),
            "order_id": order.id,
            "status": "pending",
            "request_amount": plain(amount),
            "request_currency": order.object["price_currency"],
            "address": str(body["address"]),
            "reason": str(body["reason"]),
            "email": str(body["email"]),
        }
        order.object["refunds"].append(refund)
        self._keep(order)
        return refund

    # The network's, the shopper's and the staff's side.

    def receive(self, id_: str | int, coins: Decimal) -> Order:
        """Coins come for a pending order. Too few change its numbers only, and nobody is called."""
        order = self.get(id_)
        if order.status != "pending":
            raise invalid_order(f"Order is {order.status}")
        self._count(order, coins)
        if Decimal(order.came) < order.needed:
            return self._changed(order, announced=False)
        order.object["status"], order.due_at = "confirming", self.now() + CONFIRMING_LASTS
        return self._changed(order)

    def pay(self, id_: str | int, how: str = "exact", coin: str = "") -> Order:
        """All at once and called back once; `how`: exact, less, more, or late, for an order that has ended."""
        order = self.get(id_)
        if order.status == "new":
            order = self.checkout(id_, coin or "USDT", silent=True)
        if order.status not in (("expired", "canceled") if how == "late" else ("pending",)):
            raise invalid_order(f"Order is {order.status}")
        if how == "late" and not order.needed:
            amount = coins_for(order.price, order.object["price_currency"], coin or "USDT")
            order.object |= {"pay_currency": coin or "USDT", "pay_amount": plain(amount)}
        self._count(order, order.needed * {"less": Decimal("0.5"), "more": Decimal("1.5")}.get(how, Decimal(1)))
        return self._changed(order, announced=False) if how == "less" else self._settle(order)

    def end(self, id_: str | int, status: str) -> Order:
        """`expired`, `canceled` or `invalid`."""
        order = self.get(id_)
        if order.due_at is None:
            raise invalid_order(f"Order is {order.status}")
        order.object["status"], order.due_at = status, None
        return self._changed(order)

    def confirm(self, id_: str | int) -> Order:
        """Coins are seen and wait for the network: confirming, for ever unless moved or time passes."""
        order = self.get(id_)
        if order.status == "new":
            order = self.checkout(id_, "USDT", silent=True)
        return self.receive(id_, order.needed)

    def mark_refund(self, refund_id: str, verdict: str) -> Json:
        """`completed` or `rejected`, as the sandbox's dashboard can."""
        for order in self.orders():
            for refund in order.object["refunds"]:
                if str(refund["id"]) == refund_id and refund["status"] == "pending":
                    refund["status"] = verdict
                    if verdict == "completed":
                        self._give_back(order)
                    self._keep(order)
                    return dict(refund)
        raise ApiError(404, "RecordNotFound", "Refund does not exist, or is decided")

    # The invoice page's side.

    def bill(self, key: str) -> Bill:
        return self.get(self._id_of(key)).bill()

    def act(self, key: str, action: str, coin: str) -> Order:
        id_ = self._id_of(key)
        order = self.get(id_)
        match action:
            case "choose":
                return self.checkout(id_, coin)
            case "late":
                return self.pay(id_, "late", coin)
            case "cancel":
                return self.end(id_, "canceled")
        parts = {"less": Decimal("0.5"), "more": Decimal("1.5")}
        return self.receive(id_, order.needed * parts.get(action, Decimal(1)) - Decimal(order.came))

    def _id_of(self, key: str) -> int:
        document = self.store.get("page", key)
        if document is None:
            raise not_found()
        return int(document["id"])

    def _overdue(self, id_: str) -> None:
        order = Order(**(self.store.get("order", id_) or {}))
        if order.status == "confirming":
            self._settle(order)
        else:
            order.object["status"], order.due_at = "expired", None
            self._changed(order)

    def _count(self, order: Order, coins: Decimal) -> None:
        came = Decimal(order.came) + coins
        order.came = plain(came)
        order.object |= {
            "underpaid_amount": plain(max(order.needed - came, Decimal(0))),
            "overpaid_amount": plain(max(came - order.needed, Decimal(0))),
            "is_refundable": True,
        }

    def _settle(self, order: Order) -> Order:
        coin, fee = order.object["pay_currency"], order.needed * FEE
        order.due_at = None
        order.object |= {
            "status": "paid",
            "paid_at": iso(self.now()),
            "receive_amount": plain(order.needed - fee),
            "receive_currency": coin,
            "fees": [{"type": "processing_fee", "amount": plain(fee), "currency": {"id": 1, "symbol": coin}}],
        }
        return self._changed(order)

    def _give_back(self, order: Order) -> None:
        done = [Decimal(one["request_amount"]) for one in order.object["refunds"] if one["status"] == "completed"]
        order.object["status"] = "refunded" if sum(done) >= order.price else "partially_refunded"
        self._changed(order)

    def _changed(self, order: Order, *, announced: bool = True) -> Order:
        self._keep(order)
        if announced and order.callback_url:
            self.announce(order.callback(self.settings.callback_format), order.callback_url)
        return order

    def _keep(self, order: Order) -> None:
        self.store.put("order", order.id, asdict(order))
        self.deadlines.set(str(order.id), order.due_at)
