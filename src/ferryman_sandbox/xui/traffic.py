"""The traffic job: collect the core's counters, then start, renew and cut off clients, in that order.

Every 5 seconds in 3.x, every 10 in 2.x. A client may exceed its quota by what it uses within one tick.
"""

import random
from collections.abc import Mapping, Sequence

import ferryman_sandbox.xui.clients as clients
import ferryman_sandbox.xui.embedded_usage as embedded_usage
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import is_depleted
from ferryman_sandbox.xui.state import Document

DAY_MS = 86_400_000
IP_MEMORY_SECONDS = 30 * 60


def tick(panel: Panel, elapsed: float = 0.0) -> None:
    """One run of the job; `elapsed` is the time over which simulated clients used the network, in seconds."""
    if panel.switches.xray_down:
        return
    simulate(panel, elapsed)
    rules, now_ms = panel.rules, panel.now_ms
    counted = panel.core.collect(from_first_sight=rules.counts_first_sight, empties=rules.empties_counters)
    for email, (up, down) in counted.items():
        _count(panel, email, up, down, now_ms)
    active = [email for email, (up, down) in counted.items() if (up or down) and email in panel.state.rows]
    panel.core.active = active or ([] if rules.empties_onlines else None)
    _count_on_inbounds(panel, counted)
    _renew(panel, now_ms)
    _cut_off(panel, now_ms)
    _close_inbounds(panel, now_ms)
    panel.core.apply_pending(panel.state, now_ms, live=panel.rules.applies_live)


def simulate(panel: Panel, elapsed: float) -> None:
    """Loaded clients with a rate use the network: their own rate, or the panel's for everybody else."""
    if elapsed <= 0:
        return
    common = panel.switches.simulate
    for email in panel.core.loaded_emails():
        rate = panel.state.rates.get(email, {"up": common // 10, "down": common})
        if rate["up"] or rate["down"]:
            share = elapsed * random.uniform(0.5, 1.5)
            use(panel, email, int(rate["up"] * share), int(rate["down"] * share))


def use(panel: Panel, email: str, up: int, down: int, ip: str = "") -> bool:
    """Let a client use the network; False when the core does not let it (not loaded, core down)."""
    if not panel.core.running or not panel.core.is_loaded(email, panel.state):
        return False
    panel.core.use(email, up, down)
    if ip:
        oldest = panel.now() - IP_MEMORY_SECONDS
        seen = {known: at for known, at in panel.state.ips.get(email, {}).items() if at >= oldest}
        panel.state.save_ips(email, seen | {ip: panel.now()})
    return True


def _count(panel: Panel, email: str, up: int, down: int, now_ms: int) -> None:
    """Book one client's bytes; a client that ever connected starts a delayed expiry even without new ones."""
    row = panel.state.rows.get(email)
    if row is None or not (up or down or row["expiryTime"] < 0):
        return
    if row["expiryTime"] < 0 and panel.rules.embeds_clients:
        embedded_usage.start_expiry(panel, row, now_ms - row["expiryTime"])
    elif row["expiryTime"] < 0:
        _set_expiry(panel, row, now_ms - row["expiryTime"])
    row["up"] += up
    row["down"] += down
    row["allTime"] = row.get("allTime", 0) + up + down
    if up or down:
        row["lastOnline"] = now_ms
        panel.core.seen_ms[email] = now_ms
    panel.state.save_row(row)


def _count_on_inbounds(panel: Panel, counted: Mapping[str, Sequence[int]]) -> None:
    """A client's bytes are booked on the first inbound it is attached to."""
    sums: dict[int, list[int]] = {}
    for email, (up, down) in counted.items():
        if not (up or down):
            continue
        for inbound_id in panel.state.inbound_ids_of(email)[:1]:
            booked = sums.setdefault(inbound_id, [0, 0])
            booked[0] += up
            booked[1] += down
    for inbound_id, (up, down) in sums.items():
        inbound = panel.state.inbounds[inbound_id]
        all_time = inbound.get("allTime", 0) + up + down
        grown = {"up": inbound["up"] + up, "down": inbound["down"] + down, "allTime": all_time}
        panel.state.save_inbound(inbound | grown)


def _set_expiry(panel: Panel, row: Document, expiry: int) -> None:
    """The same expiry in row, record and every entry."""
    state, email = panel.state, row["email"]
    row["expiryTime"] = expiry
    for inbound_id in state.inbound_ids_of(email):
        entries = [client | {"expiryTime": expiry} for client in state.entries[inbound_id][email]]
        state.save_entries(inbound_id, email, entries)
    if email in state.records:
        state.save_record(state.records[email] | {"expiryTime": expiry})


def _renew(panel: Panel, now_ms: int) -> None:
    """Whole periods are added until the expiry lies ahead; the counters start anew."""
    for row in list(panel.state.rows.values()):
        if row["reset"] <= 0 or not 0 < row["expiryTime"] <= now_ms or not panel.state.inbound_ids_of(row["email"]):
            continue
        if 0 < row.get("resetMax", 0) <= row.get("resetCount", 0):
            continue
        period = row["reset"] * DAY_MS
        behind = now_ms - row["expiryTime"]
        expiry = row["expiryTime"] + (behind // period + 1) * period
        if panel.rules.embeds_clients:
            embedded_usage.renew(panel, row, expiry)
            continue
        _set_expiry(panel, row, expiry)
        row.update(up=0, down=0, resetCount=row.get("resetCount", 0) + 1)
        panel.state.save_row(row)
        if not row["enable"]:
            clients.set_enable(panel, row["email"], True)


def _cut_off(panel: Panel, now_ms: int) -> None:
    """Clients that ran out: off in row, entries and record, out of the core."""
    depleted = [row["email"] for row in panel.state.rows.values() if row["enable"] and is_depleted(row, now_ms)]
    for email in depleted:
        if panel.rules.embeds_clients:
            embedded_usage.cut_off(panel, panel.state.rows[email])
        elif email in panel.state.records:
            clients.set_enable(panel, email, False)
        else:
            panel.state.save_row(panel.state.rows[email] | {"enable": False})
    if depleted and panel.rules.restarts_on_depletion:
        panel.core.restart(panel.state)


def _close_inbounds(panel: Panel, now_ms: int) -> None:
    for inbound in list(panel.state.inbounds.values()):
        exhausted = inbound["total"] > 0 and inbound["up"] + inbound["down"] >= inbound["total"]
        if inbound["enable"] and (exhausted or 0 < inbound["expiryTime"] <= now_ms):
            panel.state.save_inbound(inbound | {"enable": False})
            panel.core.rebuild(panel.state)
