"""`panel/api/clients/bulk*` and the panel-wide purge: failures are listed, the answer itself is a success."""

from collections.abc import Iterable
from typing import Any

import ferryman_sandbox.xui.clients as clients
from ferryman_sandbox.xui.binding import (
    BOOL,
    INT,
    INT64,
    INTS,
    OBJECT,
    STRING,
    STRINGS,
    bind,
    bind_client,
    parse_json,
)
from ferryman_sandbox.xui.envelope import Refusal, Reply, refuse
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, Route
from ferryman_sandbox.xui.shapes import is_depleted
from ferryman_sandbox.xui.versions import G4

Document = dict[str, Any]

DAY_MS = 86_400_000
FLOWS = ("xtls-rprx-vision", "xtls-rprx-vision-udp443", "none")


class _Skips:
    """Why an email was passed over; the first reason stays."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def add(self, email: str, reason: str) -> None:
        self.reasons.setdefault(email, reason)

    def to(self, answer: Document) -> Document:
        """`skipped` is left out when nobody was."""
        if self.reasons:
            answer["skipped"] = [{"email": email, "reason": reason} for email, reason in self.reasons.items()]
        return answer


def create(panel: Panel, call: Call) -> Reply:
    """Rows that cannot be created are skipped with their reason; the others are."""
    items = parse_json(call.body)
    if not isinstance(items, list):
        raise Refusal("json: cannot unmarshal object into Go value of type []service.ClientCreatePayload")
    created, skipped = 0, []
    for item in items:
        body = bind(item, {"client": OBJECT, "inboundIds": INTS}, "ClientCreatePayload")
        client = bind_client(body["client"] or {}, panel.rules.version, "Client.client")
        client["email"] = client["email"].strip()
        try:
            _create_one(panel, client, body["inboundIds"])
            created += 1
        except Refusal as refusal:
            skipped.append({"email": client["email"] or "(missing email)", "reason": _reason(refusal)})
    return Reply({"created": created} | ({"skipped": skipped} if skipped else {}))


def _create_one(panel: Panel, client: Document, inbound_ids: list[int]) -> None:
    """Unlike a single add, an unknown inbound keeps the client off all of them."""
    clients.check_new(panel, client, inbound_ids)
    for inbound_id in inbound_ids:
        panel.inbound(inbound_id)
    for inbound_id in inbound_ids:
        clients.put_on_inbound(panel, client, inbound_id)


def _reason(refusal: Refusal) -> str:
    """Only the character check keeps the newline here."""
    return refusal.text if "invalid character" in refusal.text else refusal.text.rstrip("\n")


def adjust(panel: Panel, call: Call) -> Reply:
    """Shift expiry and quota from what is stored, not from now; unlimited fields are left alone."""
    body = call.json("bulkAdjustRequest", {"emails": STRINGS, "addDays": INT, "addBytes": INT64, "flow": STRING})
    flow = body["flow"].strip() if body["flow"].strip() in FLOWS else ""
    emails = _distinct(body["emails"])
    if emails and not (body["addDays"] or body["addBytes"] or flow):
        raise refuse("no adjustment specified")
    skips, adjusted = _Skips(), 0
    for email in emails:
        if email not in panel.state.records:
            skips.add(email, "client not found" if panel.rules.since(3, 2, 0) else "record not found")
        elif _adjust_one(panel, email, body["addDays"] * DAY_MS, body["addBytes"], skips):
            adjusted += 1
    return Reply(skips.to({"adjusted": adjusted}))


def _adjust_one(panel: Panel, email: str, add_ms: int, add_bytes: int, skips: _Skips) -> bool:
    record = panel.state.records[email]
    changes: Document = {}
    try:
        if add_ms:
            changes["expiryTime"] = _shifted_expiry(record["expiryTime"], add_ms)
    except Refusal as refusal:
        skips.add(email, refusal.text)
    try:
        if add_bytes:
            changes["totalGB"] = _shifted_total(record["totalGB"], add_bytes)
    except Refusal as refusal:
        skips.add(email, refusal.text)
    if changes:
        _apply_limits(panel, email, changes)
    return bool(changes)


def _shifted_expiry(expiry: int, add_ms: int) -> int:
    if expiry == 0:
        raise Refusal("unlimited expiry")
    shifted = expiry + add_ms if expiry > 0 else expiry - add_ms
    if expiry > 0 >= shifted:
        raise Refusal("reduction exceeds remaining time")
    if expiry < 0 <= shifted:
        raise Refusal("reduction exceeds delay window")
    return shifted


def _shifted_total(total: int, add_bytes: int) -> int:
    if total == 0:
        raise Refusal("unlimited traffic")
    if total + add_bytes <= 0:
        raise Refusal("reduction exceeds remaining quota")
    return total + add_bytes


def _apply_limits(panel: Panel, email: str, changes: Document) -> None:
    state = panel.state
    for inbound_id in state.inbound_ids_of(email):
        entries = [client | changes for client in state.entries[inbound_id][email]]
        state.save_entries(inbound_id, email, entries)
    state.save_record(state.records[email] | changes | {"updatedAt": panel.now_ms})
    row = state.rows.get(email)
    if row is None:
        return
    was_out = not row["enable"] and is_depleted(row, panel.now_ms)
    record = state.records[email]
    row.update(expiryTime=record["expiryTime"], total=record["totalGB"])
    state.save_row(row)
    if was_out and panel.rules.adjust_enables_client and not is_depleted(row, panel.now_ms):
        clients.set_enable(panel, email, True)


def delete(panel: Panel, call: Call) -> Reply:
    body = call.json("bulkDeleteRequest", {"emails": STRINGS, "keepTraffic": BOOL})
    skips, known = _known(panel, body["emails"])
    for email in known:
        clients.remove(panel, email, keep_traffic=body["keepTraffic"])
    return Reply(skips.to({"deleted": len(known)}))


def enable(panel: Panel, call: Call) -> Reply:
    return _set_enable(panel, call, True)


def disable(panel: Panel, call: Call) -> Reply:
    return _set_enable(panel, call, False)


def _set_enable(panel: Panel, call: Call, wanted: bool) -> Reply:
    skips, known = _known(panel, call.json("bulkEnableRequest", {"emails": STRINGS})["emails"])
    for email in known:
        clients.set_enable(panel, email, wanted)
    return Reply(skips.to({"changed": len(known)}))


def attach(panel: Panel, call: Call) -> Reply:
    """Pairs that exist already are listed as skipped; arrays are null when empty."""
    body = call.json("bulkAttachRequest", {"emails": STRINGS, "inboundIds": INTS})
    attached: list[str] = []
    skipped: list[str] = []
    errors: list[str] = []
    known = _attachable(panel, body["emails"], errors) if body["inboundIds"] else []
    for inbound_id in body["inboundIds"] if body["emails"] else ():
        if inbound_id not in panel.state.inbounds:
            errors.append(f"inbound {inbound_id}: record not found")
            continue
        for email in known:
            if email in panel.state.entries[inbound_id]:
                skipped.append(email)
            else:
                clients.attach(panel, email, [inbound_id])
                attached.append(email)
    return Reply({"attached": attached or None, "skipped": skipped or None, "errors": errors or None})


def detach(panel: Panel, call: Call) -> Reply:
    """Emails on none of the inbounds are listed as skipped; arrays are null when empty."""
    body = call.json("bulkDetachRequest", {"emails": STRINGS, "inboundIds": INTS})
    detached: list[str] = []
    skipped: list[str] = []
    errors: list[str] = []
    for email in _attachable(panel, body["emails"], errors) if body["inboundIds"] else ():
        was_on = clients.detach(panel, email, body["inboundIds"])
        (detached if was_on else skipped).append(email)
    return Reply({"detached": detached or None, "skipped": skipped or None, "errors": errors or None})


def _attachable(panel: Panel, emails: Iterable[str], errors: list[str]) -> list[str]:
    known = []
    for email in _distinct(emails):
        if email in panel.state.records:
            known.append(email)
        else:
            errors.append(f"{email}: record not found")
    return known


def reset_traffic(panel: Panel, call: Call) -> Reply:
    """Zero and enable; the core catches up at its next check."""
    affected = 0
    for email in _distinct(call.json("bulkResetRequest", {"emails": STRINGS})["emails"]):
        if email in panel.state.records and not panel.state.records[email]["enable"]:
            clients.set_enable(panel, email, True)
        if email in panel.state.rows:
            panel.state.save_row(panel.state.rows[email] | {"up": 0, "down": 0, "enable": True})
            affected += 1
    panel.core.needs_restart = True
    return Reply({"affected": affected})


def reset_all_traffics(panel: Panel, _: Call) -> Reply:
    """Every row of the panel: counters to zero, enabled; entries and records keep their flag."""
    for row in list(panel.state.rows.values()):
        panel.state.save_row(row | {"up": 0, "down": 0, "enable": True})
    panel.core.needs_restart = True
    return Reply(word="traffic_reset")


def delete_depleted(panel: Panel, _: Call) -> Reply:
    """The whole panel's clients that ran out and do not renew themselves."""
    state, now_ms = panel.state, panel.now_ms
    depleted = [row["email"] for row in state.rows.values() if row["reset"] == 0 and is_depleted(row, now_ms)]
    known = [email for email in depleted if email in state.records]
    for email in known:
        clients.remove(panel, email, keep_traffic=False)
    return Reply({"deleted": len(known)})


def delete_orphans(panel: Panel, _: Call) -> Reply:
    orphans = [email for email in panel.state.records if not panel.state.inbound_ids_of(email)]
    for email in orphans:
        clients.remove(panel, email, keep_traffic=False)
    return Reply({"deleted": len(orphans)})


def _known(panel: Panel, emails: Iterable[str]) -> tuple[_Skips, list[str]]:
    skips, known = _Skips(), []
    for email in _distinct(emails):
        if email in panel.state.records:
            known.append(email)
        else:
            skips.add(email, "client not found")
    return skips, known


def _distinct(emails: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(email.strip() for email in emails if email.strip()))


CLIENTS = "panel/api/clients"

ROUTES = (
    Route("POST", f"{CLIENTS}/bulkAdjust", adjust, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/bulkCreate", create, changes=True, since=(3, 2, 0)),
    Route("POST", f"{CLIENTS}/bulkDel", delete, changes=True, since=(3, 2, 0)),
    Route("POST", f"{CLIENTS}/bulkAttach", attach, changes=True, since=(3, 2, 0)),
    Route("POST", f"{CLIENTS}/bulkDetach", detach, changes=True, since=(3, 2, 0)),
    Route("POST", f"{CLIENTS}/bulkResetTraffic", reset_traffic, changes=True, since=(3, 2, 0)),
    Route("POST", f"{CLIENTS}/bulkEnable", enable, changes=True, since=(3, 4, 2)),
    Route("POST", f"{CLIENTS}/bulkDisable", disable, changes=True, since=(3, 4, 2)),
    Route("POST", f"{CLIENTS}/resetAllTraffics", reset_all_traffics, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/delDepleted", delete_depleted, changes=True, since=G4),
    Route("POST", f"{CLIENTS}/delOrphans", delete_orphans, changes=True, since=(3, 4, 0)),
)
