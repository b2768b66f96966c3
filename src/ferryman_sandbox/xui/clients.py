"""One client at a time: add, update, delete, attach, detach, reset. Entries, record, row and core stay in step."""

import uuid
from typing import Any

from ferryman_sandbox.xui.envelope import Refusal, record_not_found, refuse
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import (
    can_use_vision,
    client_from,
    entry_from,
    limits_to_row,
    new_row,
    record_from,
)

Document = dict[str, Any]

CREDENTIALS = {"id": "uuid", "password": "password", "auth": "auth", "secret": "secret"}


def add(panel: Panel, client: Document, inbound_ids: list[int]) -> None:
    """Attach a new or known client to inbounds, one after another: an error keeps what was attached before it."""
    check_new(panel, client, inbound_ids)
    for inbound_id in inbound_ids:
        put_on_inbound(panel, client, inbound_id)


def check_new(panel: Panel, client: Document, inbound_ids: list[int]) -> None:
    """Refuse, or complete the client in place: subId, enabled, times, the credentials already on record."""
    check_identity(panel, client)
    if not inbound_ids:
        raise refuse("at least one inbound is required")
    client["subId"] = client["subId"] or str(uuid.uuid4())
    client["enable"] = True
    client["created_at"] = client["created_at"] or panel.now_ms
    client["updated_at"] = panel.now_ms
    known = panel.state.records.get(client["email"])
    if known is not None:
        if known["subId"] != client["subId"]:
            raise refuse("email already in use:", client["email"])
        if panel.rules.adds_once:
            keep_credentials(client, known)
    check_sub_is_free(panel, client, "subId already in use:")


def check_identity(panel: Panel, client: Document) -> None:
    if not client["email"].strip():
        raise refuse("client email is required")
    if not panel.rules.guards_characters_and_sub_ids:
        return
    for name in ("email", "subId"):
        if any(char in "/\\ \x7f" or char < " " for char in client[name]):
            raise refuse(f"client {name} contains an invalid character:", client[name])


def check_sub_is_free(panel: Panel, client: Document, complaint: str, *, besides: str = "") -> None:
    if not panel.rules.guards_characters_and_sub_ids:
        return
    if panel.state.owner_of_sub(client["subId"], besides=besides or client["email"]):
        raise refuse(complaint, client["subId"])


def keep_credentials(client: Document, record: Document) -> None:
    """Fill the credentials the caller left out with those on record."""
    for written, read in CREDENTIALS.items():
        client[written] = client[written] or record[read]


def mint_credential(client: Document, protocol: str) -> None:
    """What the inbound's protocol needs and the caller did not give."""
    match protocol:
        case "vless" | "vmess":
            client["id"] = client["id"] or str(uuid.uuid4())
        case "trojan" | "shadowsocks":
            client["password"] = client["password"] or uuid.uuid4().hex
        case "hysteria":
            client["auth"] = client["auth"] or uuid.uuid4().hex


def put_on_inbound(panel: Panel, client: Document, inbound_id: int) -> None:
    """Append the client's entry to one inbound and bring record, row and core after it.

    Up to 3.4.2 any inbound whose settings are no JSON object spoils this for the whole panel.
    """
    if not all(isinstance(one["settings"], dict) for one in panel.state.inbounds.values()):
        raise Refusal("malformed JSON")
    state, rules, email = panel.state, panel.rules, client["email"]
    inbound = panel.inbound(inbound_id)
    mint_credential(client, inbound["protocol"])
    for other in sorted(state.spellings(email)):
        if state.inbound_ids_of(other) and state.records[other]["subId"] != client["subId"]:
            raise refuse("Duplicate email:", email)
    present = state.entries[inbound_id].get(email, [])
    if present and rules.refuses_attached_twice:
        raise Refusal("UNIQUE constraint failed: client_inbounds.client_id, client_inbounds.inbound_id")
    if present and rules.adds_once:
        return
    _grant_row(panel, inbound_id, client)
    state.save_entries(inbound_id, email, [*present, entry_from(for_inbound(panel, client, inbound))])
    known = state.records.get(email)
    state.save_record(record_from(client, known["id"] if known else state.next_id("xui.client")))
    if client["enable"]:
        panel.load_user(inbound_id, email)


def for_inbound(panel: Panel, client: Document, inbound: Document) -> Document:
    """The client as that inbound stores it: from 3.2.5 without a flow the inbound cannot serve."""
    if panel.rules.guards_characters_and_sub_ids and not can_use_vision(inbound):
        return client | {"flow": ""}
    return client


def _grant_row(panel: Panel, inbound_id: int, client: Document) -> None:
    row = panel.state.rows.get(client["email"])
    if row is None:
        panel.state.save_row(new_row(panel.state.next_id("xui.row"), inbound_id, client))
    elif panel.rules.refreshes_kept_rows:
        limits_to_row(row, client)
        row["inboundId"] = inbound_id
        panel.state.save_row(row)


def update(panel: Panel, email: str, client: Document, only: list[int]) -> None:
    """Replace everything about a client by `client`; empty subId and (from 3.3.1) credentials are kept.

    `only` limits the rewrite to those inbounds (empty = all).
    """
    record = panel.record(email)
    check_identity(panel, client)
    client["subId"] = client["subId"] or record["subId"] or str(uuid.uuid4())
    client["created_at"] = client["created_at"] or record["createdAt"]
    client["updated_at"] = panel.now_ms
    if panel.rules.keeps_credentials_on_update:
        keep_credentials(client, record)
    if client["email"] != email and panel.state.spellings(client["email"]) - {email}:
        raise refuse("Duplicate email:", client["email"])
    if client["subId"] != record["subId"]:
        check_sub_is_free(panel, client, "Duplicate subId:", besides=email)
    attached = panel.state.inbound_ids_of(email)
    targets = [id_ for id_ in attached if not only or id_ in only]
    if attached or panel.rules.updates_orphans:
        _replace(panel, record, client, targets)
    else:
        record["updatedAt"] = panel.now_ms
        panel.state.save_record(record)


def _replace(panel: Panel, record: Document, client: Document, targets: list[int]) -> None:
    state, old = panel.state, record["email"]
    if client["email"] != old:
        _rename(panel, record, client["email"])
    for inbound_id in targets:
        mint_credential(client, state.inbounds[inbound_id]["protocol"])
    for inbound_id in targets:
        _rewrite_entry(panel, client, inbound_id)
    state.save_record(record_from(client, state.records[client["email"]]["id"]))


def _rewrite_entry(panel: Panel, client: Document, inbound_id: int) -> None:
    """One inbound's entry, its row and its user; an entry that would not change leaves all three alone."""
    state, email = panel.state, client["email"]
    entry = entry_from(for_inbound(panel, client, state.inbounds[inbound_id]))
    stored = state.entries[inbound_id][email]
    if len(stored) == 1 and stored[0] | {"updated_at": 0} == entry | {"updated_at": 0}:
        return
    state.save_entries(inbound_id, email, [entry])
    row = state.rows.get(email) or new_row(state.next_id("xui.row"), inbound_id, client)
    limits_to_row(row, client)
    state.save_row(row)
    panel.unload_user(inbound_id, email)
    if client["enable"]:
        panel.load_user(inbound_id, email)


def _rename(panel: Panel, record: Document, email: str) -> None:
    """Move entries, users, row and IPs to the new email; 3.1.0 leaves the old record behind, attached nowhere."""
    state, old = panel.state, record["email"]
    for inbound_id in state.inbound_ids_of(old):
        clients = state.entries[inbound_id][old]
        state.drop_entries(inbound_id, old)
        state.save_entries(inbound_id, email, [client | {"email": email} for client in clients])
        if (inbound_id, old) in panel.core.users:
            panel.unload_user(inbound_id, old)
            panel.load_user(inbound_id, email)
    row = state.rows.get(old)
    if row is not None:
        state.drop_row(old)
        state.save_row(row | {"email": email})
    if old in state.ips:
        state.save_ips(email, state.ips[old])
        state.drop_ips(old)
    if panel.rules.renames_record:
        state.drop_record(old)
        state.save_record(record | {"email": email})
    else:
        state.save_record(record | {"email": email, "id": state.next_id("xui.client")})


def delete(panel: Panel, email: str, *, keep_traffic: bool) -> None:
    """Raises Refusal for an unknown email, in the words of the version."""
    if email not in panel.state.records:
        if panel.rules.names_missing_client_on_delete:
            raise refuse(f'client "{email}" not found in any inbound or client record')
        raise record_not_found()
    remove(panel, email, keep_traffic=keep_traffic)


def remove(panel: Panel, email: str, *, keep_traffic: bool) -> None:
    """Take a known client out of everything."""
    state = panel.state
    for inbound_id in state.inbound_ids_of(email):
        state.drop_entries(inbound_id, email)
        panel.unload_user(inbound_id, email)
    state.drop_record(email)
    if not (keep_traffic and panel.rules.keeps_row_on_request):
        state.drop_row(email)
        state.drop_ips(email)


def attach(panel: Panel, email: str, inbound_ids: list[int]) -> None:
    """Inbounds the client is already on are passed over."""
    client = client_from(panel.record(email)) | {"updated_at": panel.now_ms}
    attached = panel.state.inbound_ids_of(email)
    client["flow"] = effective_flow(panel, email) or client["flow"]
    for inbound_id in inbound_ids:
        if inbound_id not in attached:
            put_on_inbound(panel, client, inbound_id)


def detach(panel: Panel, email: str, inbound_ids: list[int]) -> list[int]:
    """Take the client off those inbounds, keeping record and (from 3.2.5) row; answers where it was."""
    panel.record(email)
    state = panel.state
    attached = [id_ for id_ in inbound_ids if id_ in state.inbound_ids_of(email)]
    for inbound_id in attached:
        state.drop_entries(inbound_id, email)
        panel.unload_user(inbound_id, email)
    if attached and not panel.rules.keeps_rows_of_orphans and not state.inbound_ids_of(email):
        state.drop_row(email)
    return attached


def effective_flow(panel: Panel, email: str) -> str:
    """The flow of the first inbound that has one; the record's own may have been cleared by another inbound."""
    for inbound_id in panel.state.inbound_ids_of(email):
        for client in panel.state.entries[inbound_id][email]:
            if client.get("flow"):
                return str(client["flow"])
    return ""


def find_row(panel: Panel, email: str) -> Document | None:
    """The traffic row, None where the version answers null. Raises Refusal where it answers an error."""
    row, state = panel.state.rows.get(email), panel.state
    if row is None:
        if panel.rules.missing_traffic_is_null:
            return None
        raise refuse("Inbound Not Found For Email:", email)
    if panel.rules.finds_rows_without_inbound:
        is_orphan = email not in state.records
    else:
        is_orphan = email not in state.entries.get(row["inboundId"], {})
    if is_orphan:
        raise refuse("Client Not Found In Inbound For Email:", email)
    return row


def reset_traffic(panel: Panel, email: str) -> None:
    """Zero the counters and enable the row; from 3.3.1 the client too, whoever had switched it off."""
    record = panel.record(email)
    if panel.rules.reset_enables_client and not record["enable"]:
        update(panel, email, client_from(record) | {"enable": True, "flow": effective_flow(panel, email)}, [])
    row = panel.state.rows.get(email)
    if panel.state.inbound_ids_of(email):
        row = find_row(panel, email)
    if row is None:
        return
    was_off = not row["enable"]
    row.update(up=0, down=0, enable=True)
    panel.state.save_row(row)
    if was_off:
        load_where_enabled(panel, email)


def load_where_enabled(panel: Panel, email: str) -> None:
    """Put the client back into the core on every inbound whose entry is enabled."""
    for inbound_id in panel.state.inbound_ids_of(email):
        if any(client["enable"] for client in panel.state.entries[inbound_id][email]):
            panel.load_user(inbound_id, email)


def set_enable(panel: Panel, email: str, enable: bool) -> None:
    """Switch a known client on or off in entries, record, row and core."""
    state = panel.state
    for inbound_id in state.inbound_ids_of(email):
        clients = [client | {"enable": enable} for client in state.entries[inbound_id][email]]
        state.save_entries(inbound_id, email, clients)
        panel.unload_user(inbound_id, email)
        if enable:
            panel.load_user(inbound_id, email)
    state.save_record(state.records[email] | {"enable": enable, "updatedAt": panel.now_ms})
    if email in state.rows:
        state.save_row(state.rows[email] | {"enable": enable})
