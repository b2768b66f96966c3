"""The account's objects by kind, their ids, and how one is shown inside another."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from ferryman_sandbox.store import Store
from ferryman_sandbox.stripe.errors import ApiError, invalid, missing

Json = dict[str, Any]

PREFIXES = {
    "session": "cs_test_",
    "payment_intent": "pi_",
    "charge": "ch_",
    "refund": "re_",
    "dispute": "du_",
    "customer": "cus_",
    "payment_method": "pm_",
    "balance_transaction": "txn_",
    "event": "evt_",
}
EXPANDABLE = {"latest_charge": "charge"} | {
    kind: kind for kind in ("payment_intent", "charge", "customer", "payment_method", "balance_transaction")
}
DEEPEST = 4


class Records:
    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def new(self, kind: str, **content: Any) -> Json:
        """A new object, kept, with what all objects have."""
        shown = {"session": "checkout.session"}.get(kind, kind)
        base = {"id": PREFIXES[kind] + secrets.token_hex(12), "object": shown}
        record: Json = {**base, "created": int(self._now()), "livemode": False, **content}
        self.keep(kind, record)
        return record

    def keep(self, kind: str, record: Json) -> None:
        self._store.put(kind, record["id"], record)

    def get(self, kind: str, id_: str) -> Json:
        record = self._store.get(kind, id_)
        if record is None:
            raise missing(kind, id_)
        return record

    def all(self, kind: str) -> Iterator[Json]:
        """Newest first."""
        for _, record in reversed(list(self._store.all(kind))):
            yield record

    def page(self, kind: str, given: Json, filters: tuple[str, ...]) -> Json:
        """A list as the API pages it: `limit`, `starting_after`, `created[gte]` and `[lte]`, equal `filters`."""
        limit = int(given.get("limit", "10")) if str(given.get("limit", "10")).isdecimal() else 0
        if not 1 <= limit <= 100:
            raise invalid("limit", "This value must be from 1 to 100", "parameter_invalid_integer")
        wanted = {name: given[name] for name in filters if name in given}
        found = [
            record
            for record in self.all(kind)
            if all(record.get(name) == value for name, value in wanted.items())
            and _is_in_time(record["created"], given.get("created", {}))
        ]
        if "starting_after" in given:
            ids = [record["id"] for record in found]
            if given["starting_after"] not in ids:
                raise missing(kind, str(given["starting_after"]))
            found = found[ids.index(given["starting_after"]) + 1 :]
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}

    def expand(self, record: Json, given: Json) -> Json:
        """The record with the ids that `expand[]` names replaced by what they stand for."""
        shown = dict(record)
        for path in given.get("expand", []):
            parts = str(path).split(".")
            if len(parts) > DEEPEST:
                raise ApiError(400, f"You cannot expand more than {DEEPEST} levels", code="parameter_invalid")
            self._expand(shown, parts)
        return shown

    def _expand(self, shown: Json, path: list[str]) -> None:
        name, rest = path[0], path[1:]
        if name == "data" and isinstance(shown.get("data"), list):
            shown["data"] = [dict(one) for one in shown["data"]]
            for one in shown["data"]:
                self._expand(one, rest)
            return
        if name not in EXPANDABLE or name not in shown:
            raise ApiError(400, f"This property cannot be expanded ({name}).", code="parameter_invalid")
        if isinstance(shown[name], str):
            shown[name] = dict(self.get(EXPANDABLE[name], shown[name]))
        if rest and isinstance(shown[name], dict):
            self._expand(shown[name], rest)


def _is_in_time(created: int, bounds: Any) -> bool:
    if not isinstance(bounds, dict) or not all(str(value).isdecimal() for value in bounds.values()):
        raise invalid("created", "Invalid range", "parameter_invalid")
    return int(bounds.get("gte", 0)) <= created <= int(bounds.get("lte", 2**40))
