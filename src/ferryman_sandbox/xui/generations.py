"""From one version to another with the same database: who lived inside an inbound becomes a client of its own."""

import secrets

from ferryman_sandbox.xui.embedded import typed
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import entry_from, new_row, record_from
from ferryman_sandbox.xui.state import Document
from ferryman_sandbox.xui.versions import G4, parse_version

# What stores of before this key's time were written by.
_UNSAID = "3.1.0"


def migrate(panel: Panel) -> None:
    """Bring what the state holds to the panel's version; nothing when the same one wrote it."""
    state, version = panel.state, panel.switches.version
    written_by = state.meta.get("version", _UNSAID)
    if written_by == version:
        return
    before, after = parse_version(written_by), panel.rules.version
    with state.together():
        if before < G4 <= after:
            _free(panel)
        elif after < G4 <= before:
            _forget_records(panel)
        state.meta["version"] = version
        state.save_meta()
    state.texts.clear()


def _free(panel: Panel) -> None:
    """Seed the clients from the settings: uuid, email and subId stay, empty subIds are filled, text ids of Telegram
    become numbers. Rows without a client are dropped."""
    state = panel.state
    for inbound_id in sorted(state.inbounds):
        for email, clients in list(state.entries[inbound_id].items()):
            whole = [_whole(client) for client in clients]
            known = state.records.get(email)
            if email and known is None:
                whole[0]["subId"] = whole[0]["subId"] or secrets.token_hex(8)
                known = record_from(whole[0], state.next_id("xui.client"))
                state.save_record(known)
            for client in whole:
                client["subId"] = known["subId"] if known else client["subId"]
            state.save_entries(inbound_id, email, [entry_from(client) for client in whole])
            if email and email not in state.rows:
                state.save_row(new_row(state.next_id("xui.row"), inbound_id, whole[0]))
    for email in state.rows.keys() - state.records.keys():
        state.drop_row(email)


def _whole(client: Document) -> Document:
    whole = typed(client)
    telegram = client.get("tgId")
    if isinstance(telegram, str) and telegram.strip().isdigit():
        whole["tgId"] = int(telegram)
    return whole


def _forget_records(panel: Panel) -> None:
    """Back to before: only what inbounds list is left."""
    state = panel.state
    for email in list(state.records):
        state.drop_record(email)
        if not state.inbound_ids_of(email):
            state.drop_row(email)
