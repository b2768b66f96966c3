"""Paying an invoice: the bot is asked first and has ten seconds to answer; then the Stars move, or they do not."""

from typing import Any

import ferryman_sandbox.telegram.invoices as invoices
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import QUERY_TOO_OLD, bad
from ferryman_sandbox.telegram.stars import Stars
from ferryman_sandbox.telegram.updates import Updates
from ferryman_sandbox.telegram.world import Unknown, World, as_user

ANSWER_SECONDS = 10.0
SHOWN = 20


class CannotPay(ValueError):
    """A real client would not let the person pay this; the text says why."""


class Checkouts:
    """`states` of one: waiting, paid, refused (with the bot's words), failed (no Stars), expired (no answer)."""

    def __init__(self, world: World, updates: Updates, stars: Stars) -> None:
        self._world = world
        self._updates = updates
        self._stars = stars

    def begin(self, invoice: Document, user_id: int, *, unheard: bool = False) -> Document:
        """The person presses Pay. `unheard`: the question to the bot is lost on its way."""
        person = self._world.person(user_id)
        if invoice["start_parameter"] and invoice.get("chat") not in (None, user_id):
            raise CannotPay("this invoice was forwarded: it opens the bot instead, and is paid there")
        if self._stars.of_person(user_id) < invoice["amount"]:
            raise CannotPay("there are not enough Stars")
        number = (user_id << 32) + self._world.store.next_number("checkout")
        checkout: Document = {
            "id": str(number),
            "bot": invoice["bot"],
            "user": user_id,
            "slug": invoice["slug"],
            "at": self._world.now(),
            "state": "waiting",
            "error": "",
        }
        self._keep(checkout)
        query = {
            "id": checkout["id"],
            "from": as_user(person),
            "currency": invoices.CURRENCY,
            "total_amount": invoice["amount"],
            "invoice_payload": invoice["payload"],
        }
        if not unheard:
            self._updates.push(invoice["bot"], "pre_checkout_query", query, user_id)
        return checkout

    def answer(self, bot_id: int, query_id: str, *, ok: bool, error: str) -> None:
        """The bot's answer: once, and in time. Raises ApiError for any other."""
        checkout = self._world.store.get("checkout", query_id)
        if checkout is None or checkout["bot"] != bot_id or self.seen(checkout)["state"] != "waiting":
            raise bad(QUERY_TOO_OLD)
        invoice = invoices.by_slug(self._world, checkout["slug"])
        if not ok:
            checkout |= {"state": "refused", "error": error}
        elif self._stars.of_person(checkout["user"]) < invoice["amount"]:
            checkout["state"] = "failed"
        else:
            checkout["state"] = "paid"
            checkout["charge"] = self._stars.charge(invoice, checkout["user"])["id"]
        checkout["answered_at"] = self._world.now()
        self._keep(checkout)

    def of_person(self, bot_id: int, user_id: int) -> list[dict[str, Any]]:
        """The latest ones, oldest first."""
        found = [one for _, one in self._world.store.all("checkout")]
        return [self.seen(one) for one in found if (one["bot"], one["user"]) == (bot_id, user_id)][-SHOWN:]

    def by_id(self, query_id: str) -> dict[str, Any]:
        found = self._world.store.get("checkout", query_id)
        if found is None:
            raise Unknown(f"no checkout {query_id}")
        return self.seen(found)

    def seen(self, checkout: Document) -> dict[str, Any]:
        left = checkout["at"] + ANSWER_SECONDS - self._world.now()
        if checkout["state"] == "waiting" and left <= 0:
            return {**checkout, "state": "expired", "seconds_left": 0.0}
        return {**checkout, "seconds_left": max(0.0, left)}

    def _keep(self, checkout: Document) -> None:
        self._world.store.put("checkout", checkout["id"], checkout)
        self._world.touch(self._world.chat(checkout["bot"], checkout["user"]))
