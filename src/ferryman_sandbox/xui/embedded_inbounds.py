"""Adding, replacing and deleting whole inbounds in 2.3 … 3.0, where their settings are all there is of clients."""

from typing import Any

import ferryman_sandbox.xui.embedded as embedded
import ferryman_sandbox.xui.inbound_views as views
from ferryman_sandbox.xui.binding import CLIENT_FIELDS
from ferryman_sandbox.xui.envelope import Reply
from ferryman_sandbox.xui.inbound_body import check_port, free_tag, inbound_id, old_tag, read_body, stored, take_clients
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call
from ferryman_sandbox.xui.shapes import ALWAYS

Document = dict[str, Any]

# A client added with its inbound is written back by the panel's own structure, which has these in any case.
_WRITTEN_BACK = ("id", "password", "flow")


def add(panel: Panel, call: Call) -> Reply:
    inbound = create(panel, read_body(panel, call, "inbound_added"))
    return Reply(views.view(panel, inbound), "inbound_added")


def create(panel: Panel, body: Document) -> Document:
    """Store a new inbound with its clients. Raises Refusal when port or emails are taken or a credential is missing."""
    check_port(panel, body, besides=0)
    inbound = stored(body) | {"lastTrafficResetTime": 0}
    listed = take_clients(inbound)
    embedded.check_emails(panel, listed)
    _check_credentials(panel, inbound["protocol"], listed)
    embedded.stamp(panel, listed)
    inbound["id"] = panel.state.next_id("xui.inbound")
    inbound["tag"] = free_tag(panel, inbound) if panel.rules.shares_emails and inbound["tag"] else old_tag(inbound)
    panel.state.save_inbound(inbound)
    for client in listed:
        embedded.append(panel, inbound["id"], _written_back(panel, client))
    return inbound


def _check_credentials(panel: Panel, protocol: str, listed: list[Document]) -> None:
    """An inbound may bring clients without email even where a client alone may not come without."""
    embedded.check_credentials(panel, protocol, [client | {"email": client.get("email") or "-"} for client in listed])


def _written_back(panel: Panel, client: Document) -> Document:
    """From 2.6.7 in the panel's own fields, 3.0 without empty ones; before, as it came."""
    if not panel.rules.dates_clients:
        return client
    whole = embedded.typed(client)
    fields = (*ALWAYS, *(() if panel.rules.guards_logins else _WRITTEN_BACK))
    return {name: whole[name] for name in CLIENT_FIELDS if whole[name] or name in fields}


def update(panel: Panel, call: Call) -> Reply:
    """Replaces everything: counters too, and clients. Rows of those that stay keep their limits."""
    id_ = inbound_id(call, "inbound_updated")
    body = read_body(panel, call, "inbound_updated")
    check_port(panel, body, besides=id_)
    old = panel.inbound(id_)
    inbound = stored(body) | {"id": id_, "lastTrafficResetTime": old["lastTrafficResetTime"]}
    inbound["allTime"] = old.get("allTime", 0)
    listed = take_clients(inbound)
    inbound["tag"] = old_tag(inbound)
    _replace_clients(panel, inbound, listed)
    return Reply(views.view(panel, inbound) | {"tag": body["tag"]}, "inbound_updated")


def _replace_clients(panel: Panel, inbound: Document, listed: list[Document]) -> None:
    state, id_ = panel.state, inbound["id"]
    before = {email: clients[-1] for email, clients in state.entries[id_].items()}
    after: dict[str, list[Document]] = {}
    for client in listed:
        _date(panel, client, before.get(embedded.email_of(client)))
        after.setdefault(embedded.email_of(client), []).append(client)
    for email in before.keys() - after.keys():
        panel.core.remove(id_, email)
        embedded.forget_usage(panel, id_, email)
    state.save_inbound(inbound)
    state.replace_entries(id_, after)
    for email, clients in after.items():
        if email and email not in before:
            embedded.grant_row(panel, id_, clients[0])
    _load(panel, id_)


def _date(panel: Panel, client: Document, before: Document | None) -> None:
    if panel.rules.dates_clients:
        known = before or {}
        client.setdefault("created_at", known.get("created_at", panel.now_ms // 1000 * 1000))
        if "updated_at" in known:
            client.setdefault("updated_at", known["updated_at"])


def _load(panel: Panel, id_: int) -> None:
    """Put the inbound into the core as it is now: before 2.9 with every client it lists, disabled ones too."""
    panel.core.rebuild(panel.state)
    if panel.rules.updates_filter_users:
        return
    for email in panel.state.entries[id_]:
        panel.load_user(id_, email)


def delete(panel: Panel, call: Call) -> Reply:
    """With the rows that name it and the addresses of its clients."""
    id_ = inbound_id(call, "inbound_deleted")
    panel.inbound(id_)
    drop(panel, id_)
    return Reply(id_, "inbound_deleted")


def drop(panel: Panel, id_: int) -> None:
    state = panel.state
    for email in list(state.entries[id_]):
        panel.core.remove(id_, email)
        state.drop_ips(email)
    for row in [row for row in state.rows.values() if row["inboundId"] == id_]:
        state.drop_row(row["email"])
    state.drop_inbound(id_)
