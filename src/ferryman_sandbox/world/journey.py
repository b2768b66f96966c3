"""The way of each payment, told from both worlds: paid at the bank → heard → granted → key on each node → told.

Pure functions over JSON: payments and deliveries of who takes money, the panels' clients, and the product's own
overview. Times of the steps are milliseconds after the money was taken; None = not (yet) seen.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

Json = dict[str, Any]

# A clock that was pushed forward on one emulator makes differences meaningless; a day is more than any honest wait.
LONGEST_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Sale:
    """Money that somebody took, and when the shop first answered 200 to the news of it, in Unix milliseconds.

    `payment` is the id over there, `amount` as YooKassa writes it: {"value", "currency"}.
    """

    payment: str
    amount: Json
    at: float
    heard: float | None


def at_the_bank(payments: Sequence[Json], deliveries: Sequence[Json]) -> list[Sale]:
    """YooKassa's."""
    heard = _first_heard(deliveries)
    return [
        Sale(paid["id"], paid["amount"], at, heard.get(paid["id"]))
        for paid in payments
        if paid["status"] == "succeeded" and (at := milliseconds(paid["captured_at"])) is not None
    ]


def elsewhere(told: Mapping[str, Sequence[Json]], known: Json) -> list[Sale]:
    """Everybody else's, of whom the shop's own books say that they have succeeded; `told` are deliveries by provider.

    Each speaks a language of its own, so the money counts as taken when the news left that came last before the shop
    had settled it, and as taken and heard of right then where no news came by HTTP, as with Stars.
    """
    # The page looks once a second: each delivery is written out once, not for every payment.
    news = {
        name: [(one, json.dumps(one["body"])) for one in said if one["status"] == 200] for name, said in told.items()
    }
    found = []
    for payment in known.get("payments", ()):
        settled = milliseconds(payment.get("succeeded_at"))
        if settled is None or payment["provider"] not in news:
            continue
        heard_of = [
            one for one, text in news[payment["provider"]] if one["at"] * 1000 <= settled and payment["ref"] in text
        ]
        last = max(heard_of, key=lambda one: one["at"], default=None)
        at, heard = (settled, settled) if last is None else (last["at"] * 1000, last["at"] * 1000 + last["ms"])
        amount = {"value": payment["amount"], "currency": payment["currency"]}
        found.append(Sale(payment["external_id"], amount, at, heard))
    return found


def journeys(sales: Iterable[Sale], panels: Mapping[str, Mapping[str, Json]], known: Json) -> list[Json]:
    """One per sale, the newest first. `panels`: node name → client email → {"created", "updated"} ms."""
    payments = {payment["external_id"]: payment for payment in known.get("payments", ())}
    orders = {order["ref"]: order for order in known.get("orders", ())}
    found = []
    for sale in sorted(sales, key=lambda sale: -sale.at):
        payment = payments.get(sale.payment, {})
        order = orders.get(payment.get("order"), {})
        customer = order.get("customer")
        found.append(
            {
                "payment": sale.payment,
                "amount": sale.amount,
                "at": datetime.fromtimestamp(sale.at / 1000, UTC).isoformat(),
                "customer": customer,
                "order": order.get("ref"),
                "heard": _after(sale.at, sale.heard),
                "granted": _after(sale.at, milliseconds(payment.get("succeeded_at"))),
                "keys": _keys(sale.at, customer, panels, known),
                "told": _told(sale.at, customer, known),
            }
        )
    return found


def paid_to_key(found: Sequence[Json]) -> float | None:
    """Median of the first key's time over these journeys, None without any."""
    times = [min(times) for journey in found if (times := [ms for ms in journey["keys"].values() if ms is not None])]
    return round(median(times), 1) if times else None


def milliseconds(moment: str | None) -> float | None:
    """ISO 8601 to Unix milliseconds."""
    return None if not moment else datetime.fromisoformat(moment).timestamp() * 1000


def _first_heard(deliveries: Sequence[Json]) -> dict[str, float]:
    """Payment id → when the shop first answered 200 to its news."""
    heard: dict[str, float] = {}
    for delivery in sorted(deliveries, key=lambda delivery: delivery["at"]):
        thing = delivery["body"].get("object") if isinstance(delivery["body"], dict) else None
        if delivery["status"] == 200 and delivery["notification"] and isinstance(thing, dict):
            heard.setdefault(str(thing.get("id")), delivery["at"] * 1000 + delivery["ms"])
    return heard


def _keys(start: float | None, customer: Any, panels: Mapping[str, Mapping[str, Json]], known: Json) -> Json:
    """Node → time. Customers are known by their names alone: of several of one name, the key nearest to the payment."""
    times: dict[str, float | None] = dict.fromkeys(panels)
    for key in known.get("keys", ()):
        node = key["node"]
        client = panels.get(node, {}).get(key.get("email", ""))
        if customer is None or key["customer"] != customer or client is None:
            continue
        after = _appeared(start, client)
        so_far = times[node]
        if after is not None:
            times[node] = after if so_far is None else min(after, so_far)
    return times


def _appeared(start: float | None, client: Json) -> float | None:
    """A renewed key is older than its payment: then the panel's last change of it counts."""
    created = _after(start, client["created"])
    return created if created is not None else _after(start, client["updated"])


def _told(start: float | None, customer: Any, known: Json) -> float | None:
    times = [
        after
        for notice in known.get("notices", ())
        if customer is not None and notice["customer"] == customer
        if (after := _after(start, milliseconds(notice.get("sent_at")))) is not None
    ]
    return min(times, default=None)


def _after(start: float | None, moment: float | None) -> float | None:
    """Whole milliseconds from start to moment. One millisecond of slack: the clocks' stamps are rounded."""
    if start is None or moment is None or not -1 <= moment - start <= LONGEST_MS:
        return None
    return max(0.0, round(moment - start, 1))
