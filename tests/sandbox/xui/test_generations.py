"""How a caller is known and turned away, in every generation: cookies, CSRF tokens, the limiter, strangers, words."""

import secrets

import aiohttp
import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator
from ferryman_sandbox.xui.auth import totp
from tests.sandbox.xui.conftest import signed_in_old, start
from tests.sandbox.xui.driver import Answer, Document, PanelDriver
from tests.sandbox.xui.old_driver import OldDriver

LIST = "panel/api/inbounds/list"
ADD = "panel/api/inbounds/add"


def server(panel: PanelDriver) -> tuple[str, str]:
    """Method and path of the status."""
    return ("GET", "panel/api/server/status") if panel.version >= (2, 7, 0) else ("POST", "server/status")


async def test_a_login_sets_a_cookie_with_the_versions_age_and_path(every_panel: PanelDriver) -> None:
    answer = await every_panel.login(every_panel.username, every_panel.password)
    assert answer.json["success"] is True
    assert answer.json["obj"] is None
    cookie = answer.cookies["3x-ui"]
    assert cookie["max-age"] == str((360 if every_panel.version >= (2, 6, 7) else 60) * 60)
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert bool(cookie["samesite"]) == (every_panel.version >= (2, 8, 0))


async def test_a_wrong_password_is_a_polite_no_without_session(every_panel: PanelDriver) -> None:
    answer = await every_panel.login(f"nobody-{secrets.token_hex(4)}", "wrong")
    assert (answer.status, answer.json["success"], answer.json["obj"]) == (200, False, None)
    assert "3x-ui" not in answer.cookies


async def test_a_session_reads_and_writes_and_logs_out(every_panel: PanelDriver) -> None:
    every_panel.token = ""
    await every_panel.sign_in()
    method, path = server(every_panel)
    assert (await every_panel.call(method, path)).ok
    verb = "POST" if every_panel.version >= (3, 0, 2) else "GET"
    left = await every_panel.call(verb, "logout")
    assert left.status == (200 if verb == "POST" else 307)
    assert left.cookies["3x-ui"]["max-age"] in ("0", "-1")
    assert (await every_panel.call("GET" if verb == "POST" else "POST", "logout")).status == 404


async def test_changes_need_a_csrf_token_from_3_0_on(every_panel: PanelDriver) -> None:
    found = await every_panel.call("GET", "csrf-token", token=None)
    assert (found.status == 200) is every_panel.asks_csrf
    cookies, headers = await every_panel.logged_in()
    json_type = {"Content-Type": "application/json"}
    with_it = await every_panel.call("POST", ADD, data=b"{", cookies=cookies, headers=headers | json_type, token=None)
    without = await every_panel.call("POST", ADD, data=b"{", cookies=cookies, headers=json_type, token=None)
    assert (with_it.status, with_it.json["success"]) == (200, False)
    assert without.status == (403 if every_panel.asks_csrf else 200)
    if every_panel.asks_csrf:
        assert without.body == b""


async def test_a_login_without_csrf_token_is_403_from_3_0_on(every_panel: PanelDriver) -> None:
    form = {"username": "nobody", "password": "x"}
    answer = await every_panel.call("POST", "login", form=form, token=None)
    assert answer.status == (403 if every_panel.asks_csrf else 200)


def expected_for_stranger(version: tuple[int, int, int], *, ajax: bool) -> int:
    if version < (2, 8, 4):
        return 401 if ajax else 307
    return 401 if ajax and version >= (3, 0, 2) else 404


async def test_what_a_stranger_gets_at_the_api(every_panel: PanelDriver) -> None:
    for ajax in (True, False):
        answer = await every_panel.call("GET", LIST, token=None, ajax=ajax)
        assert answer.status == expected_for_stranger(every_panel.version, ajax=ajax)
        _check_stranger(every_panel, answer)


def _check_stranger(panel: PanelDriver, answer: Answer) -> None:
    if panel.version < (2, 8, 4) and answer.status == 401:
        assert answer.json["success"] is False
        return
    if answer.status == 307:
        assert answer.headers["Location"] == "/"
    assert answer.body == b"" or answer.status == 307


async def test_what_a_stranger_gets_at_the_pages(every_panel: PanelDriver) -> None:
    path = "panel/setting/defaultSettings"
    with_header = await every_panel.call("POST", path, token=None)
    without = await every_panel.call("POST", path, token=None, ajax=False)
    if every_panel.version >= (3, 3, 0):
        assert (with_header.status, without.status) == (404, 404)
    else:
        assert (with_header.status, with_header.json["success"]) == (401, False)
        assert (without.status, without.headers["Location"]) == (307, "/")


async def test_a_wrong_token_is_worth_nothing(every_panel: PanelDriver) -> None:
    for ajax in (True, False):
        answer = await every_panel.call("GET", LIST, token="x" * 48, ajax=ajax)
        expected = 401 if every_panel.version >= (3, 7, 0) else expected_for_stranger(every_panel.version, ajax=ajax)
        assert answer.status == expected


async def test_a_forged_cookie_is_a_strangers(every_panel: PanelDriver) -> None:
    cookies, _ = await every_panel.logged_in()
    forged = {"3x-ui": cookies["3x-ui"][:-4] + "AAAA"}
    answer = await every_panel.call("GET", LIST, cookies=forged, token=None)
    assert answer.status == expected_for_stranger(every_panel.version, ajax=True)


async def test_an_unknown_route_and_a_wrong_base_path_are_empty_404s(every_panel: PanelDriver) -> None:
    for path in ("panel/api/nope", "wrong/panel/api/inbounds/list", "server/nope", "wrong/csrf-token"):
        for token in (None, ""):
            answer = await every_panel.call("GET", path, token=token)
            assert (answer.status, answer.body) == (404, b"")


async def test_the_login_page_of_2_x_names_the_version(every_panel: PanelDriver) -> None:
    page = (await every_panel.call("GET", "", token=None)).body.decode()
    named = f"?{'.'.join(map(str, every_panel.version))}" in page
    assert named is (every_panel.version < (3, 0, 0))


async def test_the_status_names_the_panel_from_3_1_on(every_panel: PanelDriver) -> None:
    every_panel.token = ""
    await every_panel.sign_in()
    method, path = server(every_panel)
    status = (await every_panel.call(method, path)).obj
    assert status["xray"]["state"] == "running"
    assert ("panelVersion" in status) == (every_panel.version >= (3, 1, 0))
    other = ("POST", "server/status") if method == "GET" else ("GET", "panel/api/server/status")
    assert (await every_panel.call(*other)).status == 404


async def test_a_failure_keeps_its_english_reason_in_every_language(every_panel: PanelDriver) -> None:
    every_panel.token = ""
    await every_panel.sign_in()
    for language in ("en-US", "ru"):
        answer = await every_panel.get("inbounds/get/999999", headers={"Accept-Language": language})
        assert "record not found" in answer.complaint
        assert answer.json["msg"].endswith(")" if every_panel.version >= (2, 6, 0) else ": record not found")


async def test_the_database_is_a_file_and_the_backup_answers_nothing(every_panel: PanelDriver) -> None:
    every_panel.token = ""
    await every_panel.sign_in()
    folder = "panel/api/server" if every_panel.version >= (2, 7, 0) else "server"
    answer = await every_panel.call("GET", f"{folder}/getDb")
    assert answer.headers["Content-Type"].startswith("application/octet-stream")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    verb, path = "POST", "panel/api/backuptotgbot"
    if every_panel.version < (3, 0, 2):
        verb = "GET"
    if every_panel.version < (2, 7, 0):
        path = "panel/api/inbounds/createbackup"
    backup = await every_panel.call(verb, path)
    assert (backup.status, backup.body) == (200, b"")


async def test_nobody_is_locked_out_before_3_0(every_panel: PanelDriver) -> None:
    username = f"nobody-{secrets.token_hex(4)}"
    for _ in range(7):
        assert (await every_panel.login(username, "wrong")).json["success"] is False
    assert (await every_panel.login(every_panel.username, every_panel.password)).json["success"] is True


async def test_five_failures_lock_the_right_password_out_from_3_0_on(old_emulated: OldDriver) -> None:
    for _ in range(5):
        await old_emulated.login("admin", "wrong")
    answer = await old_emulated.login("admin", "admin")
    assert answer.json["success"] is (old_emulated.version < (3, 0, 0))


async def test_a_second_secret_is_a_word_up_to_2_5_and_six_digits_later(old_emulated: OldDriver) -> None:
    old_emulated.token = ""
    has_word = old_emulated.version < (2, 6, 0)
    await old_emulated.emu("switches", {"login_secret": "word", "two_factor_secret": "JBSWY3DPEHPK3PXP"})
    plain = await old_emulated.login("admin", "admin")
    wrong = await old_emulated.login("admin", "nonsense")
    assert plain.json == wrong.json
    code = totp("JBSWY3DPEHPK3PXP", (await old_emulated.emu("clock"))["now"])
    assert (await old_emulated.login("admin", "admin", loginSecret="word")).json["success"] is has_word
    assert (await old_emulated.login("admin", "admin", twoFactorCode=code)).json["success"] is not has_word
    asked, other = ("getSecretStatus", "getTwoFactorEnable") if has_word else ("getTwoFactorEnable", "getSecretStatus")
    assert (await old_emulated.call("POST", asked)).obj is True
    assert (await old_emulated.call("POST", other)).status == 404


async def test_a_session_ends_after_its_age(old_emulated: OldDriver) -> None:
    old_emulated.token = ""
    age = (360 if old_emulated.version >= (2, 6, 7) else 60) * 60
    assert (await old_emulated.get("inbounds/list")).ok
    await old_emulated.emu("clock", {"advance": age + 1})
    answer = await old_emulated.get("inbounds/list")
    assert answer.status == expected_for_stranger(old_emulated.version, ajax=True)


@pytest.mark.parametrize("version", ["3.0.0", "3.0.1"])
async def test_the_first_tokens_could_be_read_again(http: aiohttp.ClientSession, version: str) -> None:
    running = await start(http, version=version)
    panel = await signed_in_old(running)
    session: Document = {"cookies": panel.session, "headers": panel.csrf_headers, "token": None}
    first = (await panel.call("GET", "panel/setting/getApiToken", **session)).obj
    assert (await panel.get("inbounds/list", token=first)).ok
    second = (await panel.call("POST", "panel/setting/regenerateApiToken", **session)).obj
    assert (await panel.get("inbounds/list", token=first)).status == 404
    assert (await panel.get("inbounds/list", token=second)).ok
    assert (await panel.call("GET", "panel/setting/apiTokens", **session)).status == 404
    await running.stop()


@pytest.mark.parametrize("version", ["2.2.9", "3.8.0", "1.7.9", "dev", "3.6"])
def test_other_versions_are_refused_by_name(version: str) -> None:
    with pytest.raises(ValueError, match=r"2\.3\.0 … 3\.7\.x|looks like 3\.6\.0"):
        XuiEmulator(Store(":memory:"), version=version)
