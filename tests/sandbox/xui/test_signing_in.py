"""Cookie sessions, CSRF tokens, API tokens, the login limiter, and what a stranger gets."""

import secrets
from collections.abc import AsyncIterator

import pytest

from ferryman_sandbox.xui.auth import totp
from tests.sandbox.xui.driver import Document, PanelDriver


async def test_a_login_sets_a_cookie_that_lives_six_hours(panel: PanelDriver) -> None:
    answer = await panel.login(panel.username, panel.password)
    cookie = answer.cookies["3x-ui"]
    assert answer.json["success"] is True
    assert answer.json["obj"] is None
    assert cookie["max-age"] == str(360 * 60)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


async def test_a_wrong_password_gets_no_session(panel: PanelDriver) -> None:
    answer = await panel.login(f"nobody-{secrets.token_hex(4)}", "wrong")
    assert answer.status == 200
    assert answer.json["success"] is False
    assert "3x-ui" not in answer.cookies


async def test_a_wrong_second_factor_reads_like_a_wrong_password(newest: PanelDriver) -> None:
    wrong_password = await newest.login("admin", "wrong")
    await newest.emu("switches", {"two_factor_secret": "JBSWY3DPEHPK3PXP"})
    wrong_code = await newest.login("admin", "admin", twoFactorCode="000000")
    assert wrong_code.json == wrong_password.json
    now = (await newest.emu("clock"))["now"]
    assert (await newest.login("admin", "admin", twoFactorCode=totp("JBSWY3DPEHPK3PXP", now))).json["success"]


def test_the_second_factor_follows_the_published_test_vectors() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert [totp(secret, at) for at in (59, 1111111109, 1234567890)] == ["287082", "081804", "005924"]


async def test_an_empty_field_is_named_and_not_counted(panel: PanelDriver) -> None:
    for _ in range(6):
        answer = await panel.login(panel.username, "")
        assert answer.json["success"] is False
        assert "required" in answer.json["msg"]
    assert (await panel.login(panel.username, panel.password)).json["success"] is True


async def test_a_login_without_csrf_token_is_refused_and_not_counted(panel: PanelDriver) -> None:
    username = f"nobody-{secrets.token_hex(4)}"
    for _ in range(6):
        refused = await panel.call("POST", "login", form={"username": username, "password": "x"}, token=None)
        assert (refused.status, refused.body) == (403, b"")
    assert (await panel.login(panel.username, panel.password)).json["success"] is True


async def test_one_csrf_token_serves_login_and_changes_alike(panel: PanelDriver) -> None:
    cookies, headers = await panel.logged_in()
    with_it = await panel.post("clients/onlines", {}, cookies=cookies, headers=headers, token=None)
    without = await panel.post("clients/onlines", {}, cookies=cookies, token=None)
    wrong = await panel.post("clients/onlines", {}, cookies=cookies, headers={"X-CSRF-Token": "x" * 43}, token=None)
    assert with_it.ok
    assert (without.status, without.body) == (403, b"")
    assert wrong.status == 403


async def test_a_csrf_token_is_43_letters_and_stays_while_the_session_does(panel: PanelDriver) -> None:
    csrf, cookie = await panel.csrf()
    again = await panel.call("GET", "csrf-token", cookies={"3x-ui": cookie}, token=None)
    assert len(csrf) == 43
    assert again.json["obj"] == csrf


async def test_a_form_field_may_carry_the_csrf_token(panel: PanelDriver) -> None:
    csrf, cookie = await panel.csrf()
    form = {"username": panel.username, "password": panel.password, "_csrf": csrf}
    assert (await panel.call("POST", "login", form=form, cookies={"3x-ui": cookie}, token=None)).json["success"] is True


async def test_a_session_may_read_without_csrf_token(panel: PanelDriver) -> None:
    cookies, _ = await panel.logged_in()
    assert (await panel.get("server/status", cookies=cookies, token=None)).ok


async def test_a_forged_cookie_is_no_session(panel: PanelDriver) -> None:
    cookies, _ = await panel.logged_in()
    forged = cookies["3x-ui"][:-2] + ("AA" if cookies["3x-ui"][-2:] != "AA" else "BB")
    assert (await panel.get("server/status", cookies={"3x-ui": forged}, token=None)).status == 401


async def test_logging_out_takes_the_cookie_back(panel: PanelDriver) -> None:
    cookies, headers = await panel.logged_in()
    answer = await panel.call("POST", "logout", cookies=cookies, headers=headers, token=None)
    assert answer.json == {"success": True}
    assert answer.cookies["3x-ui"]["max-age"] == "0"


async def test_five_failures_lock_a_user_out_for_fifteen_minutes(emulated: PanelDriver) -> None:
    for _ in range(5):
        assert (await emulated.login("ADMIN", "wrong")).json["success"] is False
    locked = await emulated.login("admin", "admin")
    assert locked.json == (await emulated.login("somebody", "wrong")).json
    await emulated.emu("clock", {"advance": 15 * 60 + 1})
    assert (await emulated.login("admin", "admin")).json["success"] is True


async def test_a_lock_out_does_not_touch_other_users(panel: PanelDriver) -> None:
    username = f"nobody-{secrets.token_hex(4)}"
    for _ in range(6):
        await panel.login(username, "wrong")
    assert (await panel.login(panel.username, panel.password)).json["success"] is True


async def test_a_success_forgives_earlier_failures(newest: PanelDriver) -> None:
    for _ in range(2):
        for _ in range(4):
            await newest.login("admin", "wrong")
        assert (await newest.login("admin", "admin")).json["success"] is True


@pytest.fixture
async def issued(panel: PanelDriver) -> AsyncIterator[Document]:
    """A token made through the API, and how to call the settings (a session before 3.3.0)."""
    cookies, headers = await panel.logged_in()
    session: Document = {"cookies": cookies, "headers": headers, "token": None}
    body = {"name": f"test-{secrets.token_hex(6)}"}
    token = (await panel.call("POST", f"{panel.settings}/apiTokens/create", json=body, **session)).obj
    yield {"token": token, "session": session}
    scope = {"expectedScope": "admin"}
    await panel.call("POST", f"{panel.settings}/apiTokens/delete/{token['id']}", json=scope, **session)


async def test_a_token_needs_no_csrf_token(panel: PanelDriver, issued: Document) -> None:
    assert len(issued["token"]["token"]) == 48
    assert (await panel.post("clients/onlines", {}, token=issued["token"]["token"])).ok


async def test_a_disabled_token_gets_what_a_stranger_gets(panel: PanelDriver, issued: Document) -> None:
    path = f"{panel.settings}/apiTokens/setEnabled/{issued['token']['id']}"
    body = {"enabled": False, "expectedScope": "admin"}
    assert (await panel.call("POST", path, json=body, **issued["session"])).ok
    with_header = await panel.get("server/status", token=issued["token"]["token"])
    without = await panel.get("server/status", token=issued["token"]["token"], ajax=False)
    assert (with_header.status, with_header.body) == (401, b"")
    assert (without.status, without.body) == (401 if panel.version >= (3, 7, 0) else 404, b"")


async def test_a_token_is_shown_once_from_3_2_8_on(panel: PanelDriver, issued: Document) -> None:
    listed = (await panel.call("GET", f"{panel.settings}/apiTokens", **issued["session"])).obj
    mine = next(token for token in listed if token["id"] == issued["token"]["id"])
    assert ("token" in mine) == (panel.version < (3, 2, 8))
    assert mine["enabled"] is True


async def test_a_token_name_is_taken_once_and_not_empty(panel: PanelDriver, issued: Document) -> None:
    path = f"{panel.settings}/apiTokens/create"
    again = await panel.call("POST", path, json={"name": issued["token"]["name"]}, **issued["session"])
    empty = await panel.call("POST", path, json={"name": " "}, **issued["session"])
    assert "already exists" in again.complaint
    assert "name is required" in empty.complaint


async def test_settings_outside_the_api_do_not_take_a_token(panel: PanelDriver) -> None:
    answer = await panel.call("GET", f"{panel.settings}/apiTokens")
    assert answer.status == (401 if panel.version < (3, 3, 0) else 200)


async def test_old_settings_paths_send_a_stranger_to_the_login(emulated: PanelDriver) -> None:
    with_header = await emulated.call("POST", "panel/setting/defaultSettings", token=None)
    without = await emulated.call("POST", "panel/setting/defaultSettings", token=None, ajax=False)
    if emulated.version < (3, 3, 0):
        assert (with_header.status, with_header.json["success"]) == (401, False)
        assert (without.status, without.headers["Location"]) == (307, "/")
    else:
        assert (with_header.status, without.status) == (404, 404)


async def test_an_unknown_route_is_an_empty_404_for_everybody(panel: PanelDriver) -> None:
    for token in (None, ""):
        answer = await panel.get("nope", token=token)
        assert (answer.status, answer.body) == (404, b"")
    assert (await panel.get("clients/add")).status == 404
    assert (await panel.post("inbounds/addClient", {})).status == 404


async def test_a_stray_browser_gets_the_application_from_3_4_1_on(panel: PanelDriver) -> None:
    cookies, _ = await panel.logged_in()
    as_browser = {"Accept": "text/html"}
    found = await panel.call("GET", "panel/typo", cookies=cookies, token=None, headers=as_browser, ajax=False)
    asked_for_json = await panel.call("GET", "panel/typo", cookies=cookies, token=None)
    assert (found.status == 200) == (panel.version >= (3, 4, 1))
    assert asked_for_json.status == 404


async def test_a_trailing_slash_is_redirected_away(panel: PanelDriver) -> None:
    read = await panel.get("inbounds/list/")
    change = await panel.post("clients/onlines/", {})
    assert (read.status, change.status) == (301, 307)
    assert read.headers["Location"].endswith("/panel/api/inbounds/list")


async def test_a_wrong_base_path_is_an_empty_404(panel: PanelDriver) -> None:
    for path in ("wrong/panel/api/server/status", "wrong/csrf-token"):
        answer = await panel.call("GET", path)
        assert (answer.status, answer.body) == (404, b"")
