"""Made-up persons with their chats, and books that agree, to be spoilt by one thing at a time."""

from typing import Any

from ferryman_sandbox.chaos.person import Paid, Person
from ferryman_sandbox.chaos.reckoning import Books
from ferryman_sandbox.chaos.ways import Taken

NOW = 1_800_000_000.0
DAY_MS = 24 * 3600 * 1000
LINK = "http://127.0.0.1:1/s/token"


def person(id_: int = 1, *orders: str, at: float = NOW) -> Person:
    """Somebody who has paid these orders at the bank, one every ten seconds."""
    made = Person({}, None, {}, f"Person {id_}", id_)  # type: ignore[arg-type]
    made.paid = [Paid("bank", f"{id_}-{order}", order, at + 10 * number) for number, order in enumerate(orders)]
    return made


def chat(*said: tuple[str, float]) -> dict[str, Any]:
    """What the bot has said, each with how many seconds after NOW."""
    return {"messages": [{"from_bot": True, "text": text, "date": int(NOW + after)} for text, after in said]}


def receipt(order: str, after: float = 5) -> tuple[str, float]:
    return (
        f"✅ Payment received!\n\n🔑 I am preparing your key — it comes as the next message.\n\n🧾 Order {order}",
        after,
    )


def key(after: float = 8) -> tuple[str, float]:
    return f"🔑 Your key is ready!\n\n🌍 🇩🇪 Germany\n\n{LINK}", after


def client(months: int = 1) -> dict[str, Any]:
    served = {"loaded": True, "enable": True, "depleted": False}
    return {**served, "createdAt": (NOW + 6) * 1000, "expiryTime": NOW * 1000 + months * 30 * DAY_MS}


def books(*people: Person) -> Books:
    """Everything as it must be for these people."""
    paid = [one for person in people for one in person.paid]
    numbers = dict.fromkeys(("lost", "double", "money_without_key", "ledger_balance", "in_review"), 0)
    numbers |= {"money_without_order": 0, "paid": len(paid), "granted": len(paid)}
    account = {"account": "provider:bank", "currency": "RUB", "minor": 19900 * len(paid)}
    clients = {person.id: client(len(person.paid)) for person in people if person.paid}
    made = Books(
        taken={"bank": [Taken(one.id, 19900, "RUB") for one in paid]},
        overview={"numbers": numbers, "ledger": {"accounts": [account]}},
        panels={"de-1": list(clients.values())},
    )
    for one in people:
        made.chats[one.id] = chat(*(receipt(paid.order, 15) for paid in one.paid), *([key()] if one.paid else []))
        made.links[one.id] = [LINK] if one.paid else []
        made.keys[one.id] = {"de-1": [clients[one.id]] if one.id in clients else []}
    return made
