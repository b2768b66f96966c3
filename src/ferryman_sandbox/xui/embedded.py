"""Clients of 2.3 … 3.0: objects inside an inbound's settings, stored as they came, with a traffic row beside them.

Every change is the panel's read, edit and write of the whole inbound; who calls it decides whether two overlap.
"""

from typing import Any

from ferryman_sandbox.xui.binding import CLIENT_FIELDS, fits, parse_json, zero
from ferryman_sandbox.xui.envelope import Crash, Refusal, record_not_found, refuse
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import CREDENTIAL_KEY, limits_to_row, new_row

Document = dict[str, Any]


def typed(client: Document) -> Document:
    """The client as the panel's own code reads it: a field of another type than its own is zero, not an error."""
    given = {name: client.get(name) for name in CLIENT_FIELDS}
    return {name: given[name] if fits(given[name], kind) else zero(kind) for name, kind in CLIENT_FIELDS.items()}


def email_of(client: Document) -> str:
    return _text(client, "email")


def sub_of(client: Document) -> str:
    return _text(client, "subId")


def is_enabled(client: Document) -> bool:
    """A client without the flag is off for whoever loads it live."""
    return client.get("enable") is True


def identifier(protocol: str, client: Document) -> str:
    """What `:clientId` names: uuid, password, email or auth, by protocol."""
    return _text(client, CREDENTIAL_KEY.get(protocol, "id"))


def _text(client: Document, name: str) -> str:
    value = client.get(name)
    return value if isinstance(value, str) else ""


def read_clients(text: str) -> list[Document]:
    """The `clients` of a settings text. Raises Refusal for text that is no JSON object, Crash without the key."""
    settings = unmarshal(text)
    if settings is None:
        raise Refusal("setting is null")
    if not isinstance(settings, dict):
        raise Refusal("json: cannot unmarshal array into Go value of type map[string]interface {}")
    listed = settings.get("clients")
    if not isinstance(listed, list) or not all(isinstance(client, dict) for client in listed):
        raise Crash
    return listed


def unmarshal(text: str) -> Any:
    """Raises Refusal in the words for stored text, which differ from those for a body at its end."""
    try:
        return parse_json(text.encode())
    except Refusal as refusal:
        if refusal.text.endswith("EOF"):
            raise Refusal("unexpected end of JSON input") from refusal
        raise


def _settings(inbound: Document) -> Document:
    """Raises Refusal for settings that are no JSON, Crash for settings without clients."""
    settings = inbound["settings"]
    if settings is None or isinstance(settings, str):
        settings = unmarshal(settings or "")
    if not isinstance(settings, dict) or "clients" not in settings:
        raise Crash
    return settings


def check_emails(panel: Panel, listed: list[Document]) -> None:
    """Raises Refusal for an email that is in use, or twice among these, unless the version shares it by subId."""
    rules = panel.rules
    seen: dict[str, str] = {}
    for client in listed:
        email, sub_id = email_of(client), sub_of(client)
        if not email:
            continue
        key = email.lower() if rules.ignores_case_of_emails else email
        taken_by = _sub_ids(panel, email) | ({seen[key]} if key in seen else set())
        if taken_by and not (rules.shares_emails and sub_id and taken_by == {sub_id}):
            raise refuse("Duplicate email:", email)
        seen[key] = sub_id


def _sub_ids(panel: Panel, email: str) -> set[str]:
    """The subIds under which the email is known, in any inbound."""
    state = panel.state
    emails = state.entry_spellings(email) if panel.rules.ignores_case_of_emails else [email]
    return {
        sub_of(client)
        for spelling in emails
        for inbound_id in state.inbound_ids_of(spelling)
        for client in state.entries[inbound_id][spelling]
    }


def add(panel: Panel, inbound_id: int, text: str) -> None:
    """Append clients to an inbound. An email that still has a row keeps that row as it is."""
    listed = read_clients(text)
    stamp(panel, listed)
    check_emails(panel, listed)
    inbound = panel.inbound(inbound_id)
    check_credentials(panel, inbound["protocol"], listed)
    _settings(inbound)
    for client in listed:
        append(panel, inbound_id, client)


def check_credentials(panel: Panel, protocol: str, listed: list[Document]) -> None:
    for client in listed:
        if panel.rules.requires_email and not email_of(client).strip():
            raise refuse("client email is required")
        if not identifier(protocol, client):
            raise refuse("empty client ID")


def stamp(panel: Panel, listed: list[Document]) -> None:
    if panel.rules.dates_clients:
        now_ms = panel.now_ms // 1000 * 1000
        for client in listed:
            client.setdefault("created_at", now_ms)
            client["updated_at"] = now_ms


def append(panel: Panel, inbound_id: int, client: Document) -> None:
    email = email_of(client)
    panel.state.save_entries(inbound_id, email, [*panel.state.entries[inbound_id].get(email, ()), client])
    if not email:
        panel.core.needs_restart = True
        return
    grant_row(panel, inbound_id, client)
    if is_enabled(client):
        panel.load_user(inbound_id, email)


def grant_row(panel: Panel, inbound_id: int, client: Document) -> None:
    if email_of(client) not in panel.state.rows:
        panel.state.save_row(new_row(panel.state.next_id("xui.row"), inbound_id, typed(client)))


def update(panel: Panel, inbound_id: int, client_id: str, text: str) -> None:
    """Replace a client by exactly what was sent; only its time of creation stays."""
    listed = read_clients(text)
    inbound = panel.inbound(inbound_id)
    present = list(panel.state.clients_of(inbound_id))
    if present and not listed:
        raise Crash
    old = next((one for one in present if identifier(inbound["protocol"], one) == client_id), None)
    if old is None or not identifier(inbound["protocol"], listed[0]):
        raise refuse("empty client ID")
    new = listed[0]
    if panel.rules.requires_email and not email_of(new).strip():
        raise refuse("client email is required")
    if email_of(new) and email_of(new) != email_of(old):
        check_emails(panel, listed)
    _settings(inbound)
    if panel.rules.dates_clients:
        created = old.get("created_at", panel.now_ms // 1000 * 1000)
        new |= {"created_at": created, "updated_at": panel.now_ms // 1000 * 1000}
    _follow_row(panel, inbound_id, email_of(old), new)
    _swap(panel, inbound_id, old, new)
    _reload(panel, inbound_id, old, new)


def _swap(panel: Panel, inbound_id: int, old: Document, new: Document) -> None:
    entries, was, becomes = panel.state.entries[inbound_id], email_of(old), email_of(new)
    if was == becomes:
        panel.state.save_entries(inbound_id, was, [new if one is old else one for one in entries[was]])
        return
    panel.state.save_entries(inbound_id, was, [one for one in entries[was] if one is not old])
    panel.state.save_entries(inbound_id, becomes, [*entries.get(becomes, ()), new])


def _reload(panel: Panel, inbound_id: int, old: Document, new: Document) -> None:
    if not email_of(old):
        panel.core.needs_restart = True
        return
    if is_enabled(old):
        panel.unload_user(inbound_id, email_of(old))
    if is_enabled(new):
        panel.load_user(inbound_id, email_of(new))


def _follow_row(panel: Panel, inbound_id: int, was: str, new: Document) -> None:
    """The row takes the new limits and the new email; 3.0 merges it into a row that has that email already."""
    state, email = panel.state, email_of(new)
    if not email:
        forget_usage(panel, inbound_id, was)
        return
    if not was:
        grant_row(panel, inbound_id, new)
        return
    row = state.rows.get(was)
    if was.lower() != email.lower() and email in state.rows:
        if row is not None and not panel.rules.shares_emails:
            raise Refusal("UNIQUE constraint failed: client_traffics.email")
        forget_usage(panel, inbound_id, was)
        row = state.rows[email]
    if row is None:
        return
    limits_to_row(row, typed(new))
    if row["email"] != email:
        _rename_usage(panel, row, email)
    state.save_row(row)


def _rename_usage(panel: Panel, row: Document, email: str) -> None:
    state, was = panel.state, row["email"]
    state.drop_row(was)
    row["email"] = email
    if was in state.ips:
        state.save_ips(email, state.ips[was])
        state.drop_ips(was)


def forget_usage(panel: Panel, inbound_id: int, email: str) -> None:
    """Drop row and addresses, unless the version shares them with another inbound that has the email."""
    if not is_shared(panel, inbound_id, email):
        panel.state.drop_row(email)
        panel.state.drop_ips(email)


def is_shared(panel: Panel, inbound_id: int, email: str) -> bool:
    spelled = panel.state.entry_spellings(email) if panel.rules.shares_emails else []
    return any(id_ != inbound_id for one in spelled for id_ in panel.state.inbound_ids_of(one))


def delete(panel: Panel, inbound_id: int, client_id: str) -> None:
    """By credential. The last client of an inbound stays; an unknown one is an error from 2.9.4 only."""
    inbound = panel.inbound(inbound_id)
    _settings(inbound)
    key = CREDENTIAL_KEY.get(inbound["protocol"], "id")
    present = list(panel.state.clients_of(inbound_id))
    if not all(isinstance(client.get(key), str) for client in present):
        raise Crash
    gone = [client for client in present if client[key] == client_id]
    if not gone and panel.rules.names_missing_client_id:
        raise refuse("Client Not Found In Inbound For ID:", client_id)
    if len(gone) == len(present):
        raise refuse("no client remained in Inbound")
    if not gone:
        return
    email = email_of(gone[-1])
    row = panel.state.rows.get(email)
    if email and row is None:
        raise record_not_found()
    if row is not None and row["enable"] and is_enabled(gone[-1]):
        panel.unload_user(inbound_id, email)
    forget_usage(panel, inbound_id, email)
    for client in gone:
        _remove(panel, inbound_id, client)


def _remove(panel: Panel, inbound_id: int, client: Document) -> None:
    email = email_of(client)
    left = [one for one in panel.state.entries[inbound_id][email] if one is not client]
    panel.state.save_entries(inbound_id, email, left)


def delete_by_email(panel: Panel, inbound_id: int, email: str) -> None:
    inbound = panel.inbound(inbound_id)
    _settings(inbound)
    gone = panel.state.entries[inbound_id].get(email, [])
    if not gone:
        raise refuse(f"client with email {email} not found")
    if len(gone) == sum(len(clients) for clients in panel.state.entries[inbound_id].values()):
        raise refuse("no client remained in Inbound")
    if not is_shared(panel, inbound_id, email):
        find_row(panel, email)
        if is_enabled(gone[-1]):
            panel.unload_user(inbound_id, email)
    forget_usage(panel, inbound_id, email)
    panel.state.drop_entries(inbound_id, email)


def find_row(panel: Panel, email: str) -> tuple[Document, Document] | None:
    """A row and the client it belongs to; None where the version answers null. Raises Refusal where it refuses."""
    state, row = panel.state, panel.state.rows.get(email)
    if not panel.rules.finds_rows_through_inbound:
        return None if row is None else (row, {})
    if row is None:
        raise refuse("Inbound Not Found For Email:", email)
    panel.inbound(row["inboundId"])
    clients = state.entries[row["inboundId"]].get(email)
    if not clients:
        raise refuse("Client Not Found In Inbound For Email:", email)
    return row, clients[0]
