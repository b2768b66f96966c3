"""Which route exists in which version: a panel answers an empty 404 to others, and a seller must not be surprised."""

from tests.sandbox.xui.driver import PanelDriver

Version = tuple[int, int, int]

G1: Version = (2, 3, 0)
G2: Version = (2, 7, 0)
G3: Version = (3, 0, 0)
G4: Version = (3, 1, 0)
G5: Version = (3, 7, 0)
CLIENTS, INBOUNDS, SERVER = "panel/api/clients", "panel/api/inbounds", "panel/api/server"

# Method, path, first version with it, first version without it again.
ROUTES: list[tuple[str, str, Version, Version | None]] = [
    ("POST", "server/status", G1, G2),
    ("POST", "server/getNewX25519Cert", G1, G2),
    ("GET", "server/getDb", G1, G2),
    ("GET", f"{INBOUNDS}/createbackup", G1, G2),
    ("POST", "panel/inbound/list", G1, G2),
    ("POST", "panel/inbound/addClient", G1, G2),
    ("GET", f"{SERVER}/status", G2, None),
    ("GET", f"{SERVER}/getNewX25519Cert", G2, None),
    ("GET", f"{SERVER}/getNewUUID", G2, None),
    ("GET", f"{SERVER}/getDb", G2, None),
    ("GET", f"{INBOUNDS}/list", G1, None),
    ("GET", f"{INBOUNDS}/get/999999", G1, None),
    ("POST", f"{INBOUNDS}/update/999999", G1, None),
    ("POST", f"{INBOUNDS}/setEnable/999999", (2, 9, 4), None),
    ("POST", f"{INBOUNDS}/999999/resetTraffic", G3, None),
    ("GET", f"{INBOUNDS}/list/slim", G4, None),
    ("GET", f"{INBOUNDS}/options", G4, None),
    ("POST", f"{INBOUNDS}/addClient", G1, G4),
    ("POST", f"{INBOUNDS}/updateClient/x", G1, G4),
    ("POST", f"{INBOUNDS}/999999/delClient/x", G1, G4),
    ("POST", f"{INBOUNDS}/999999/delClientByEmail/x", (2, 8, 0), G4),
    ("GET", f"{INBOUNDS}/getClientTraffics/x", G1, G4),
    ("GET", f"{INBOUNDS}/getClientTrafficsById/x", (2, 3, 11), G4),
    ("POST", f"{INBOUNDS}/999999/resetClientTraffic/x", G1, G4),
    ("POST", f"{INBOUNDS}/resetAllClientTraffics/999999", G1, G4),
    ("POST", f"{INBOUNDS}/delDepletedClients/999999", G1, G4),
    ("POST", f"{INBOUNDS}/clientIps/x", G1, G4),
    ("POST", f"{INBOUNDS}/clearClientIps/x", G1, G4),
    ("POST", f"{INBOUNDS}/onlines", G1, G4),
    ("POST", f"{INBOUNDS}/lastOnline", (2, 6, 8), G4),
    ("POST", f"{INBOUNDS}/updateClientTraffic/x", (2, 6, 3), G4),
    ("GET", f"{INBOUNDS}/getSubLinks/x", (3, 0, 1), G4),
    ("GET", f"{INBOUNDS}/getClientLinks/999999/x", (3, 0, 1), G4),
    ("GET", f"{CLIENTS}/list", G4, None),
    ("GET", f"{CLIENTS}/list/paged", G4, None),
    ("GET", f"{CLIENTS}/get/nobody-here", G4, None),
    ("GET", f"{CLIENTS}/get/tgId/1", (3, 6, 0), None),
    ("GET", f"{CLIENTS}/traffic/nobody-here", G4, None),
    ("GET", f"{CLIENTS}/links/nobody-here", G4, None),
    ("GET", f"{CLIENTS}/subLinks/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/add", G4, None),
    ("POST", f"{CLIENTS}/update/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/del/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/nobody-here/attach", G4, None),
    ("POST", f"{CLIENTS}/nobody-here/detach", G4, None),
    ("POST", f"{CLIENTS}/resetTraffic/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/updateTraffic/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/ips/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/clearIps/nobody-here", G4, None),
    ("POST", f"{CLIENTS}/onlines", G4, None),
    ("POST", f"{CLIENTS}/lastOnline", G4, None),
    ("POST", f"{CLIENTS}/bulkAdjust", G4, None),
    ("POST", f"{CLIENTS}/bulkCreate", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkDel", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkAttach", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkDetach", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkResetTraffic", (3, 3, 1), None),
    ("POST", f"{CLIENTS}/bulkEnable", (3, 4, 2), None),
    ("POST", f"{CLIENTS}/bulkDisable", (3, 4, 2), None),
    ("POST", f"{CLIENTS}/hwids/nobody-here", G5, None),
    ("DELETE", f"{CLIENTS}/hwids/nobody-here", G5, None),
    ("GET", "panel/api/backuptotgbot", G2, (3, 0, 2)),
    ("POST", "panel/api/backuptotgbot", (3, 0, 2), None),
    ("POST", "panel/setting/defaultSettings", G1, (3, 3, 0)),
    ("GET", "panel/setting/apiTokens", (3, 0, 2), (3, 3, 0)),
    ("POST", "panel/api/setting/defaultSettings", (3, 3, 0), None),
    ("GET", "panel/api/setting/apiTokens", (3, 3, 0), None),
    ("POST", f"{SERVER}/status", (9, 0, 0), None),
    ("GET", f"{CLIENTS}/onlines", (9, 0, 0), None),
    ("POST", f"{INBOUNDS}/list", (9, 0, 0), None),
    ("PUT", f"{INBOUNDS}/list", (9, 0, 0), None),
    ("DELETE", f"{INBOUNDS}/list", (9, 0, 0), None),
    ("PATCH", f"{INBOUNDS}/list", (9, 0, 0), None),
]


async def test_every_route_exists_in_its_versions_and_no_other(every_panel: PanelDriver) -> None:
    every_panel.token = ""
    await every_panel.sign_in()
    wrong = []
    for method, path, since, before in ROUTES:
        body = b"[]" if path.endswith("bulkCreate") else b"{}"
        headers = {"Content-Type": "application/json"}
        answer = await every_panel.call(method, path, data=body if method == "POST" else None, headers=headers)
        exists = every_panel.version >= since and (before is None or every_panel.version < before)
        if (answer.status != 404) is not exists or (not exists and answer.body):
            wrong.append((method, path, answer))
    assert wrong == []
