"""`clients/list/paged`: filters, order, one page of slim items, and the counts of the page's header."""

from collections.abc import Callable, Mapping
from typing import Any

from ferryman_sandbox.xui.envelope import Refusal
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import row_view

Document = dict[str, Any]

DEFAULT_SIZE = 25
LARGEST_SIZE = 200
SUMMARY_EMAILS = 200
SLIM = ("email", "subId", "enable", "totalGB", "expiryTime", "limitIp", "reset")
SEARCHED = ("email", "subId", "comment")
SEARCHED_SINCE_3_2 = (*SEARCHED, "uuid", "password", "auth")
SORTS_SINCE_3_2 = ("createdAt", "updatedAt", "lastOnline")
NEVER = 1 << 62
RANGES = ("expiryFrom", "expiryTo", "usageFrom", "usageTo")
FILTERS = ("search", "protocol", "inbound", "filter", "group", "autoRenew", "hasTgId", "hasComment", *RANGES)
BUCKETS = ("online", "depleted", "expiring", "deactive")


def list_page(panel: Panel, query: Mapping[str, str]) -> Document:
    """Raises Refusal for a number that is none; unknown parameters are ignored. 3.1.0 takes one inbound, no list."""
    page, size = _number(query, "page"), _number(query, "pageSize")
    page = page if page > 0 else 1
    size = min(size if size > 0 else DEFAULT_SIZE, LARGEST_SIZE)
    if not panel.rules.since(3, 2, 0):
        _number(query, "inbound")
    now_ms = panel.now_ms
    rows = [_Facts(panel, email, now_ms) for email in panel.state.records]
    is_filtered = any(query.get(name, "").strip() for name in FILTERS)
    wanted = [one for one in rows if _passes(one, query, panel)] if is_filtered else list(rows)
    sort = query.get("sort", "")
    is_known = sort not in SORTS_SINCE_3_2 or panel.rules.since(3, 2, 0)
    _order(wanted, sort if is_known else "", query.get("order") == "descend")
    answer: Document = {
        "items": [one.slim() for one in wanted[(page - 1) * size : page * size]],
        "total": len(rows),
        "filtered": len(wanted),
        "page": page,
        "pageSize": size,
        "summary": _summary(rows, counted=panel.rules.since(3, 5, 0)),
    }
    if panel.rules.since(3, 2, 0):
        answer["groups"] = sorted({one.record["group"] for one in rows if one.record["group"]})
    return answer


class _Facts:
    """A client with everything the filters ask about."""

    def __init__(self, panel: Panel, email: str, now_ms: int) -> None:
        self.panel = panel
        self.record = panel.state.records[email]
        self.row = panel.state.rows.get(email)
        self.used: int = self.row["up"] + self.row["down"] if self.row else 0
        self.inbound_ids = panel.state.inbound_ids_of(email)
        self.online = now_ms - panel.core.seen_ms.get(email, 0) <= 20_000
        expiry, total = self.record["expiryTime"], self.record["totalGB"]
        self.depleted = bool((total > 0 and self.used >= total) or 0 < expiry <= now_ms)

    def slim(self) -> Document:
        item = {name: self.record[name] for name in SLIM}
        item |= {name: self.record[name] for name in ("group", "comment") if self.record[name]}
        item["inboundIds"] = self.inbound_ids
        if self.row is not None:
            item["traffic"] = row_view(self.row, self.panel.rules)
        return item | {"createdAt": self.record["createdAt"], "updatedAt": self.record["updatedAt"]}

    def is_in(self, bucket: str) -> bool:
        """The filter's buckets; an unknown name matches everybody."""
        match bucket:
            case "active":
                return self.record["enable"] and not self.depleted
            case "deactive":
                return not self.record["enable"]
            case "depleted":
                return self.depleted
            case "online":
                return self.record["enable"] and self.online
            case "expiring":
                return False
            case _:
                return True


def _passes(one: _Facts, query: Mapping[str, str], panel: Panel) -> bool:
    record = one.record
    needle = query.get("search", "").strip().lower()
    fields = SEARCHED_SINCE_3_2 if panel.rules.since(3, 2, 0) else SEARCHED
    texts = [record[name].lower() for name in fields]
    if panel.rules.since(3, 5, 0) and record["tgId"]:
        texts.append(str(record["tgId"]))
    protocols, inbounds = _words(query, "protocol"), _words(query, "inbound")
    checks = (
        not needle or any(needle in text for text in texts),
        not protocols or any(panel.state.inbounds[id_]["protocol"] in protocols for id_ in one.inbound_ids),
        not inbounds or any(str(id_) in inbounds for id_ in one.inbound_ids),
        not _words(query, "filter") or any(one.is_in(bucket) for bucket in _words(query, "filter")),
    )
    return all(checks) and (not panel.rules.since(3, 2, 0) or _passes_ranges(one, query))


def _passes_ranges(one: _Facts, query: Mapping[str, str]) -> bool:
    """The range and yes/no filters that came with 3.2.0."""
    record, expiry = one.record, one.record["expiryTime"]
    first, last = _number(query, "expiryFrom"), _number(query, "expiryTo")
    least, most = _number(query, "usageFrom"), _number(query, "usageTo")
    groups = _words(query, "group")
    return all(
        (
            not (first > 0 or last > 0) or expiry > 0,
            first <= 0 or expiry >= first,
            last <= 0 or expiry <= last,
            least <= 0 or one.used >= least,
            most <= 0 or one.used <= most,
            _says(query, "autoRenew", "on", "off", record["reset"] > 0),
            _says(query, "hasTgId", "yes", "no", record["tgId"] != 0),
            _says(query, "hasComment", "yes", "no", bool(record["comment"].strip())),
            not groups or record["group"].strip().lower() in groups,
        )
    )


def _says(query: Mapping[str, str], name: str, yes: str, no: str, fact: bool) -> bool:
    asked = query.get(name, "").strip().lower()
    return fact if asked == yes else not fact if asked == no else True


SORTS: Mapping[str, Callable[[_Facts], Any]] = {
    "enable": lambda one: one.record["enable"],
    "email": lambda one: one.record["email"].lower(),
    "inboundIds": lambda one: len(one.inbound_ids),
    "traffic": lambda one: one.used,
    "remaining": lambda one: one.record["totalGB"] - one.used if one.record["totalGB"] > 0 else NEVER,
    "expiryTime": lambda one: one.record["expiryTime"] if one.record["expiryTime"] > 0 else NEVER,
    "createdAt": lambda one: one.record["createdAt"],
    "updatedAt": lambda one: one.record["updatedAt"],
    "lastOnline": lambda one: one.row["lastOnline"] if one.row else 0,
}


def _order(found: list[_Facts], sort: str, descending: bool) -> None:
    found.sort(key=lambda one: one.record["id"])
    if sort in SORTS:
        found.sort(key=SORTS[sort], reverse=descending)


def _summary(rows: list[_Facts], *, counted: bool) -> Document:
    """Each client counts once; a disabled client that also ran out counts as depleted."""
    emails: dict[str, list[str]] = {bucket: [] for bucket in BUCKETS}
    active = 0
    for one in rows:
        email = one.record["email"]
        if one.online and one.record["enable"]:
            emails["online"].append(email)
        if one.depleted:
            emails["depleted"].append(email)
        elif not one.record["enable"]:
            emails["deactive"].append(email)
        else:
            active += 1
    counts = {f"{bucket}Count": len(found) for bucket, found in emails.items()} if counted else {}
    shown = {bucket: found[:SUMMARY_EMAILS] for bucket, found in emails.items()}
    return {"total": len(rows), "active": active, **counts, **shown}


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    try:
        return int(text or 0)
    except ValueError as error:
        raise Refusal(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _words(query: Mapping[str, str], name: str) -> list[str]:
    return [part.strip().lower() for part in query.get(name, "").split(",") if part.strip()]
