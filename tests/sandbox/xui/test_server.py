"""Status, keys, the database file, and the settings a seller reads."""

import base64
import sqlite3
import uuid

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.sandbox.xui.driver import PanelDriver


def decode(key: str) -> bytes:
    return base64.urlsafe_b64decode(key + "=")


async def test_the_status_names_versions_and_the_core_state(panel: PanelDriver) -> None:
    status = (await panel.get("server/status")).obj
    assert status["panelVersion"] == ".".join(map(str, panel.version))
    assert status["xray"]["state"] == "running"
    assert len(status["loads"]) == 3
    assert ("panelGuid" in status) == (panel.version >= (3, 2, 0))
    assert (await panel.post("server/status")).status == 404


async def test_a_new_key_pair_belongs_together(panel: PanelDriver) -> None:
    pair = (await panel.get("server/getNewX25519Cert")).obj
    private = X25519PrivateKey.from_private_bytes(decode(pair["privateKey"]))
    assert private.public_key().public_bytes_raw() == decode(pair["publicKey"])


async def test_a_new_uuid_is_one(panel: PanelDriver) -> None:
    assert uuid.UUID((await panel.get("server/getNewUUID")).obj["uuid"]).version == 4


async def test_the_database_comes_as_a_file(panel: PanelDriver) -> None:
    answer = await panel.get("server/getDb")
    assert answer.headers["Content-Type"].startswith("application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.body.startswith(b"SQLite format 3\x00")


async def test_the_file_holds_the_clients(newest: PanelDriver) -> None:
    client = await newest.added()
    db = sqlite3.connect(":memory:")
    db.deserialize((await newest.get("server/getDb")).body)
    assert db.execute("SELECT email, sub_id FROM clients").fetchall() == [(client["email"], client["subId"])]
    db.close()


async def test_a_backup_to_telegram_answers_nothing_at_all(panel: PanelDriver) -> None:
    answer = await panel.post("backuptotgbot")
    assert (answer.status, answer.body) == (200, b"")


async def test_the_default_settings_say_where_subscriptions_are(panel: PanelDriver) -> None:
    cookies, headers = await panel.logged_in()
    path = f"{panel.settings}/defaultSettings"
    settings = (await panel.call("POST", path, token=None, cookies=cookies, headers=headers)).obj
    assert settings["subEnable"] is True
    assert settings["subURI"].endswith("/")


async def test_a_core_restart_loses_what_was_not_counted(newest: PanelDriver) -> None:
    client = await newest.added()
    await newest.emu("traffic", {"email": client["email"], "down": 1000})
    assert (await newest.post("server/restartXrayService")).ok
    await newest.emu("tick", {})
    assert (await newest.row(client["email"]))["down"] == 0


async def test_answers_carry_the_panels_own_time(newest: PanelDriver) -> None:
    before = (await newest.get("server/status")).headers["Date"]
    await newest.emu("clock", {"advance": 86_400})
    assert (await newest.get("server/status")).headers["Date"].split(",")[0] != before.split(",")[0]


async def test_the_node_capabilities_are_announced_from_3_4_0_on(panel: PanelDriver) -> None:
    headers = (await panel.get("server/status")).headers
    assert (headers.get("X-3x-Node-Caps") == "zstd") == (panel.version >= (3, 4, 0))
