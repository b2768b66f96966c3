"""Stars on the move: balances, charges, the list of transactions, and payments that repeat every thirty days.

A person begins with some Stars, a bot with none. A refund is one more transaction under the charge's own id, told
apart by its `receiver`.
"""

import hashlib
from typing import Any

import ferryman_sandbox.telegram.invoices as invoices
from ferryman_sandbox.store import Document
from ferryman_sandbox.telegram.answers import bad
from ferryman_sandbox.telegram.updates import Updates
from ferryman_sandbox.telegram.world import Unknown, World, as_user

FIRST_BALANCE = 10_000
ORDERS = ("oldest", "newest")
# What `take_back` may look like in the list of transactions; how the real one looks is not published.
LOOKS = ("user", "other")


class Stars:
    def __init__(self, world: World, updates: Updates) -> None:
        self._world = world
        self._store = world.store
        self._updates = updates

    def of_person(self, user_id: int) -> int:
        return self._balance(f"person:{user_id}", FIRST_BALANCE)

    def of_bot(self, bot_id: int) -> int:
        """May be below zero: Stars that were taken back are not asked for."""
        return self._balance(f"bot:{bot_id}", 0)

    def set_person(self, user_id: int, amount: int) -> None:
        self._put_balance(f"person:{user_id}", amount)
        for bot in self._world.bots():
            self._world.touch(self._world.chat(bot["id"], user_id))

    def set_bot(self, bot_id: int, amount: int) -> None:
        self._put_balance(f"bot:{bot_id}", amount)

    @property
    def order(self) -> str:
        """How getStarTransactions sorts: "oldest" first, as its description says, or "newest" first."""
        return str((self._store.get("setting", "stars") or {"order": "oldest"})["order"])

    def sort(self, order: str) -> None:
        """Raises ValueError for an unknown order."""
        if order not in ORDERS:
            raise ValueError(f"the order is one of {', '.join(ORDERS)}")
        self._store.put("setting", "stars", {"order": order})

    def charge(self, invoice: Document, user_id: int, subscription: Document | None = None) -> Document:
        """Take the Stars and tell the bot; the caller has seen that they are there.

        `subscription` is the one that this charge renews; a repeating invoice without one begins another.
        """
        bot_id, amount = invoice["bot"], invoice["amount"]
        number = self._store.next_number(f"charge:{bot_id}")
        digest = hashlib.sha256(f"{self._world.seed}:charge:{bot_id}:{number}".encode()).hexdigest()
        made: Document = {
            "id": f"stx{digest[:40]}",
            "bot": bot_id,
            "user": user_id,
            "amount": amount,
            "payload": invoice["payload"],
            "slug": invoice["slug"],
            "period": invoice.get("period", 0),
            "provider_charge_id": f"{user_id}_{number}",
            "state": "paid",
        }
        told: dict[str, Any] = {}
        if invoice.get("period"):
            told = self._prolong(made, subscription)
        self._put_balance(f"person:{user_id}", self.of_person(user_id) - amount)
        self._put_balance(f"bot:{bot_id}", self.of_bot(bot_id) + amount)
        self._store.put(f"charge:{bot_id}", made["id"], made)
        self._note(made, "source")
        self._say(made, "successful_payment", told)
        return made

    def charges(self, bot_id: int) -> list[Document]:
        return [charge for _, charge in self._store.all(f"charge:{bot_id}")]

    def charge_of(self, bot_id: int, charge_id: str) -> Document:
        found = self._store.get(f"charge:{bot_id}", charge_id)
        if found is None:
            raise Unknown(f"no charge {charge_id}")
        return found

    def refund(self, bot_id: int, user_id: int, charge_id: str) -> None:
        """Give a charge back, whole. Raises ApiError for one that is not this person's, or was given back."""
        if not charge_id:
            raise bad("CHARGE_ID_EMPTY")
        try:
            charge = self.charge_of(bot_id, charge_id)
        except Unknown:
            raise bad("CHARGE_ID_INVALID") from None
        if charge["user"] != user_id:
            raise bad("CHARGE_ID_INVALID")
        if charge["state"] != "paid":
            raise bad("CHARGE_ALREADY_REFUNDED")
        if self.of_bot(bot_id) < charge["amount"]:
            # The sentence is a guess: what the server says here is not published.
            raise bad("BALANCE_TOO_LOW")
        self._return(charge, "refunded", "user")
        self._say(charge, "refunded_payment", {})

    def take_back(self, bot_id: int, charge_id: str, *, look: str = "user", told: bool = False) -> Document:
        """The shop where the person bought their Stars claws them back; the bot is not asked, and perhaps not told."""
        charge = self.charge_of(bot_id, charge_id)
        if charge["state"] != "paid" or look not in LOOKS:
            raise ValueError(f"a charge that went back already, or a look that is none of {', '.join(LOOKS)}")
        self._return(charge, "taken_back", look)
        if told:
            self._say(charge, "refunded_payment", {})
        return charge

    def _return(self, charge: Document, state: str, look: str) -> None:
        charge["state"] = state
        self._store.put(f"charge:{charge['bot']}", charge["id"], charge)
        self._put_balance(f"bot:{charge['bot']}", self.of_bot(charge["bot"]) - charge["amount"])
        if state == "refunded":
            self._put_balance(f"person:{charge['user']}", self.of_person(charge["user"]) + charge["amount"])
        self._note(charge, "receiver", look)

    def transactions(self, bot_id: int, offset: int, limit: int) -> list[dict[str, Any]]:
        kept = [transaction for _, transaction in self._store.all(f"star_transaction:{bot_id}")]
        if self.order == "newest":
            kept.reverse()
        return kept[offset : offset + limit]

    def note_foreign(self, bot_id: int, transaction: dict[str, Any]) -> None:
        """A transaction that is none of a shop's: a withdrawal, a gift, whatever Telegram thinks of next."""
        number = self._store.next_number(f"star_transaction:{bot_id}")
        head = {"id": f"foreign{number}", "amount": 1, "date": int(self._world.now())}
        self._store.put(f"star_transaction:{bot_id}", number, {**head, **transaction})

    def _note(self, charge: Document, side: str, look: str = "user") -> None:
        partner: dict[str, Any] = {"type": look}
        if look == "user":
            partner |= {
                "transaction_type": "invoice_payment",
                "user": as_user(self._world.person(charge["user"])),
                "invoice_payload": charge["payload"],
            }
            if charge["period"] and side == "source":
                partner["subscription_period"] = charge["period"]
        number = self._store.next_number(f"star_transaction:{charge['bot']}")
        noted = {"id": charge["id"], "amount": charge["amount"], "date": int(self._world.now()), side: partner}
        self._store.put(f"star_transaction:{charge['bot']}", number, noted)

    def _say(self, charge: Document, kind: str, more: dict[str, Any]) -> None:
        """The service message in the payer's chat, which is an update for the bot."""
        chat = self._world.chat(charge["bot"], charge["user"])
        body = {
            "currency": invoices.CURRENCY,
            "total_amount": charge["amount"],
            "invoice_payload": charge["payload"],
            "telegram_payment_charge_id": charge["id"],
            "provider_payment_charge_id": charge["provider_charge_id"],
            **more,
        }
        message = self._world.add_message(chat, {kind: body}, by_bot=False)
        self._updates.push(charge["bot"], "message", message, charge["user"])

    def _prolong(self, charge: Document, subscription: Document | None) -> dict[str, Any]:
        now = self._world.now()
        first = subscription is None
        if subscription is None:
            subscription = {"id": charge["id"], "ends_at": now, "charges": [], "canceled": "", "failed": False}
            subscription |= {name: charge[name] for name in ("bot", "user", "slug", "amount", "payload")}
        subscription["ends_at"] += charge["period"]
        subscription["charges"].append(charge["id"])
        subscription["failed"] = False
        self._keep(subscription)
        told: dict[str, Any] = {"subscription_expiration_date": int(subscription["ends_at"]), "is_recurring": True}
        return told | ({"is_first_recurring": True} if first else {})

    def subscriptions(self, bot_id: int, user_id: int | None = None) -> list[Document]:
        found = [one for _, one in self._store.all(f"star_subscription:{bot_id}")]
        return [one for one in found if user_id in (None, one["user"])]

    def subscription_of(self, bot_id: int, charge_id: str) -> Document:
        for one in self.subscriptions(bot_id):
            if charge_id in one["charges"]:
                return one
        raise Unknown(f"no subscription was paid by {charge_id}")

    def edit(self, bot_id: int, user_id: int, charge_id: str, *, canceled: bool) -> None:
        """The bot ends a repetition, or lets it go on. Raises ApiError."""
        try:
            one = self.subscription_of(bot_id, charge_id)
        except Unknown:
            raise bad("CHARGE_ID_INVALID") from None
        if one["user"] != user_id:
            raise bad("CHARGE_ID_INVALID")
        one["canceled"] = "bot" if canceled else ""
        self._keep(one)

    def edit_by_person(self, bot_id: int, charge_id: str, *, canceled: bool) -> Document:
        """The person ends their repetition, or takes it up again before its end; the bot hears of it."""
        one = self.subscription_of(bot_id, charge_id)
        if one["canceled"] == "bot":
            raise ValueError("the bot has ended this subscription")
        if bool(one["canceled"]) == canceled:
            raise ValueError("it is so already")
        one["canceled"] = "person" if canceled else ""
        self._keep(one)
        self._tell(one, "canceled" if canceled else "active")
        return one

    def renew_due(self) -> None:
        """Charge every repetition whose month is over, once for each month, or say that it cannot be charged.

        No question comes before it: whether the real server asks one is not published.
        """
        for bot in self._world.bots():
            for one in self.subscriptions(bot["id"]):
                while one["ends_at"] <= self._world.now() and not one["canceled"]:
                    if self.of_person(one["user"]) < one["amount"]:
                        if not one["failed"]:
                            one["failed"] = True
                            self._keep(one)
                            self._tell(one, "failed")
                        break
                    self.charge(invoices.by_slug(self._world, one["slug"]), one["user"], one)

    def _tell(self, one: Document, state: str) -> None:
        user = as_user(self._world.person(one["user"]))
        body = {"user": user, "invoice_payload": one["payload"], "state": state}
        self._updates.push(one["bot"], "subscription", body, one["user"])

    def _keep(self, one: Document) -> None:
        self._store.put(f"star_subscription:{one['bot']}", one["id"], one)
        self._world.touch(self._world.chat(one["bot"], one["user"]))

    def _balance(self, account: str, first: int) -> int:
        return int((self._store.get("stars", account) or {"amount": first})["amount"])

    def _put_balance(self, account: str, amount: int) -> None:
        self._store.put("stars", account, {"amount": amount})
