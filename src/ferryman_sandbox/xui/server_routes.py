"""`panel/api/server/*`, up to 2.6 `server/*`, the backup call, and the settings a seller reads."""

import sqlite3
import time
import uuid

from ferryman_sandbox.xui.envelope import Reply
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import PAGES, Call, Route
from ferryman_sandbox.xui.specs import new_x25519_pair
from ferryman_sandbox.xui.state import Document
from ferryman_sandbox.xui.versions import G2, G4

GIB = 1 << 30
SUBSCRIPTION_PORT = 2096


def status(panel: Panel, _: Call) -> Reply:
    """A quiet two-core machine. Only Xray's state, the versions and the traffic sum are true of the emulator."""
    rules, down = panel.rules, panel.switches.xray_down
    sent = sum(row["down"] for row in panel.state.rows.values())
    received = sum(row["up"] for row in panel.state.rows.values())
    view: Document = {
        "cpu": 3.5,
        "cpuCores": 2,
        "logicalPro": 2,
        "cpuSpeedMhz": 2400.0,
        "mem": {"current": GIB // 2, "total": 2 * GIB},
        "swap": {"current": 0, "total": 0},
        "disk": {"current": 4 * GIB, "total": 40 * GIB},
    }
    if rules.since(3, 2, 0):
        view |= {"diskIO": {"read": 0, "write": 0}, "diskTraffic": {"read": 0, "write": 0}}
    state = {"state": "error", "errorMsg": "xray is down"} if down else {"state": "running", "errorMsg": ""}
    view |= {"xray": state | {"version": "26.7.28"}}
    view |= {"panelVersion": panel.switches.version} if rules.version >= G4 else {}
    if rules.since(3, 2, 0):
        view["panelGuid"] = panel.state.meta["guid"]
    view |= _network(sent, received)
    if rules.since(3, 2, 0):
        view["netIO"] |= {"pktUp": 0, "pktDown": 0}
        view["netTraffic"] |= {"pktSent": 0, "pktRecv": 0}
    return Reply(view | {"appStats": {"threads": 20, "mem": 80 << 20, "uptime": 3600}})


def _network(sent: int, received: int) -> Document:
    return {
        "uptime": 86_400,
        "loads": [0.1, 0.1, 0.1],
        "tcpCount": 12,
        "udpCount": 0,
        "netIO": {"up": 0, "down": 0},
        "netTraffic": {"sent": sent, "recv": received},
        "publicIP": {"ipv4": "N/A", "ipv6": "N/A"},
    }


def new_x25519(_: Panel, __: Call) -> Reply:
    private, public = new_x25519_pair()
    return Reply({"privateKey": private, "publicKey": public})


def new_uuid(_: Panel, __: Call) -> Reply:
    return Reply({"uuid": str(uuid.uuid4())})


def restart_xray(panel: Panel, _: Call) -> Reply:
    panel.core.restart(panel.state)
    return Reply(word="xray_restarted")


def get_db(panel: Panel, call: Call) -> Reply:
    """A real SQLite file with this panel's clients, rows and inbounds; fewer tables and columns than the original's."""
    name = "x-ui.db"
    if panel.rules.since(3, 5, 0):
        stamp = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(panel.now()))
        name = f"{call.host.rpartition(':')[0] or call.host}_{stamp}.db"
    headers = {"Content-Type": "application/octet-stream", "Content-Disposition": f"attachment; filename={name}"}
    return Reply(raw=_database(panel), headers=headers)


def _database(panel: Panel) -> bytes:
    state = panel.state
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE clients (id INTEGER PRIMARY KEY, email TEXT, sub_id TEXT, uuid TEXT, enable INTEGER)")
    db.execute("CREATE TABLE client_traffics (id INTEGER PRIMARY KEY, email TEXT, up INTEGER, down INTEGER)")
    db.execute("CREATE TABLE inbounds (id INTEGER PRIMARY KEY, remark TEXT, port INTEGER, protocol TEXT)")
    db.executemany(
        "INSERT INTO clients VALUES (?, ?, ?, ?, ?)",
        [[record[name] for name in ("id", "email", "subId", "uuid", "enable")] for record in state.records.values()],
    )
    db.executemany(
        "INSERT INTO client_traffics VALUES (?, ?, ?, ?)",
        [[row[name] for name in ("id", "email", "up", "down")] for row in state.rows.values()],
    )
    db.executemany(
        "INSERT INTO inbounds VALUES (?, ?, ?, ?)",
        [[one[name] for name in ("id", "remark", "port", "protocol")] for one in state.inbounds.values()],
    )
    content = db.serialize()
    db.close()
    return bytes(content)


def backup(_: Panel, __: Call) -> Reply:
    """Sends the database to the panel's own administrators and answers nothing at all."""
    return Reply(raw=b"")


def default_settings(panel: Panel, call: Call) -> Reply:
    host = call.host.rpartition(":")[0] or call.host
    view: Document = {
        "datepicker": "gregorian",
        "defaultCert": "",
        "defaultKey": "",
        "expireDiff": 0,
        "ipLimitEnable": True,
        "pageSize": 25,
        "subClashEnable": False,
        "subClashURI": "",
        "subEnable": True,
        "subJsonEnable": False,
        "subJsonURI": "",
        "subTitle": "",
        "subURI": panel.switches.sub_uri or f"http://{host}:{SUBSCRIPTION_PORT}/sub/",
        "tgBotEnable": False,
        "trafficDiff": 0,
    }
    if panel.rules.since(3, 5, 0):
        view |= {"subDomain": "", "webDomain": "", "accessLogEnable": False, "isDevBuild": False}
    return Reply(view)


def all_settings(panel: Panel, _: Call) -> Reply:
    """The few settings that the emulator has a meaning for."""
    return Reply(
        {
            "sessionMaxAge": panel.rules.session_seconds // 60,
            "webBasePath": panel.base_path,
            "subEnable": True,
            "subPort": SUBSCRIPTION_PORT,
            "subPath": "/sub/",
            "subURI": panel.switches.sub_uri,
        }
    )


SERVER = "panel/api/server"
OLD_SERVER = "server"

ROUTES = (
    Route("GET", f"{SERVER}/status", status, since=G2),
    Route("GET", f"{SERVER}/getNewX25519Cert", new_x25519, since=G2),
    Route("GET", f"{SERVER}/getNewUUID", new_uuid, since=G2),
    Route("GET", f"{SERVER}/getDb", get_db, since=G2),
    Route("POST", f"{SERVER}/restartXrayService", restart_xray, since=G2),
    Route("POST", f"{OLD_SERVER}/status", status, before=G2),
    Route("POST", f"{OLD_SERVER}/getNewX25519Cert", new_x25519, before=G2),
    Route("GET", f"{OLD_SERVER}/getDb", get_db, before=G2),
    Route("POST", f"{OLD_SERVER}/restartXrayService", restart_xray, before=G2),
    Route("GET", "panel/api/inbounds/createbackup", backup, before=G2),
    Route("GET", "panel/api/backuptotgbot", backup, since=G2, before=(3, 0, 2)),
    Route("POST", "panel/api/backuptotgbot", backup, since=(3, 0, 2)),
    Route("POST", "panel/setting/all", all_settings, PAGES, before=(3, 3, 0), blame="settings_saved"),
    Route("POST", "panel/api/setting/all", all_settings, since=(3, 3, 0), blame="settings_saved"),
    Route("POST", "panel/setting/defaultSettings", default_settings, PAGES, before=(3, 3, 0), blame="settings_saved"),
    Route("POST", "panel/api/setting/defaultSettings", default_settings, since=(3, 3, 0), blame="settings_saved"),
)
