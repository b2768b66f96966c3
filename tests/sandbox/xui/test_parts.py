"""The emulator's smaller parts on their own: routes, bodies, the limiter, versions."""

from typing import Any

import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.xui.auth import LoginLimiter
from ferryman_sandbox.xui.binding import CLIENT_FIELDS, INT, STRINGS, bind, bind_client, bind_form, parse_json
from ferryman_sandbox.xui.embedded import typed
from ferryman_sandbox.xui.envelope import Refusal, Reply, language
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call, NoRoute, Route, RouteTable
from ferryman_sandbox.xui.shapes import can_use_vision, client_from, entry_from, is_depleted, record_from
from ferryman_sandbox.xui.state import PanelState, Texts
from ferryman_sandbox.xui.versions import Rules, Version, parse_version


def handler(_: Panel, __: Call) -> Reply:
    return Reply()


NEWEST = (3, 6, 0)


def test_a_fixed_segment_wins_over_a_parameter() -> None:
    table = RouteTable([Route("POST", "c/:email/attach", handler), Route("POST", "c/update/:email", handler)])
    route, params = table.find("POST", "c/update/attach", NEWEST)
    assert (route.path, params) == ("c/update/:email", {"email": "attach"})


def test_parameters_are_taken_from_their_places() -> None:
    table = RouteTable([Route("GET", "a/:first/b/:second", handler)])
    assert table.find("GET", "a/1/b/2", NEWEST)[1] == {"first": "1", "second": "2"}


@pytest.mark.parametrize("path", ["a", "a/", "a/b/c", "b/x"])
def test_other_paths_are_no_route(path: str) -> None:
    with pytest.raises(NoRoute):
        RouteTable([Route("GET", "a/:name", handler)]).find("GET", path, NEWEST)


def test_a_route_lives_from_one_version_to_another() -> None:
    table = RouteTable([Route("GET", "a", handler, since=(3, 2, 0), before=(3, 3, 0))])
    assert table.find("GET", "a", (3, 2, 8))
    for version in ((3, 1, 0), (3, 3, 0)):
        with pytest.raises(NoRoute):
            table.find("GET", "a", version)


def test_another_method_is_another_route() -> None:
    with pytest.raises(NoRoute):
        RouteTable([Route("GET", "a", handler)]).find("POST", "a", NEWEST)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "EOF"),
        (b"  ", "EOF"),
        (b'{"a":', "unexpected EOF"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
        (b"\xff", "invalid character"),
    ],
)
def test_an_unreadable_body_is_described(body: bytes, complaint: str) -> None:
    with pytest.raises(Refusal, match=complaint):
        parse_json(body)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("x", "string"), (True, "bool"), (1.5, "number 1.5"), ([1], "array"), ({"a": 1}, "object")],
)
def test_a_wrong_type_is_named_with_its_field(value: Any, kind: str) -> None:
    with pytest.raises(Refusal, match=f"cannot unmarshal {kind} into Go struct field S.n of type int"):
        bind({"n": value}, {"n": INT}, "S")


def test_missing_and_null_fields_are_zero() -> None:
    assert bind({"emails": None}, {"n": INT, "emails": STRINGS}, "S") == {"n": 0, "emails": []}


def test_one_wrong_element_spoils_a_list() -> None:
    with pytest.raises(Refusal, match=r"cannot unmarshal number into Go struct field S\.emails of type string"):
        bind({"emails": ["a", 1]}, {"emails": STRINGS}, "S")


def test_a_form_has_numbers_and_flags_in_words() -> None:
    fields = {"port": INT, "enable": "bool", "remark": "string"}
    assert bind_form(b"port=443&enable=on&remark=a+b", fields) == {"port": 443, "enable": True, "remark": "a b"}
    assert bind_form(b"", fields) == {"port": 0, "enable": False, "remark": ""}
    with pytest.raises(Refusal, match="invalid syntax"):
        bind_form(b"enable=maybe", fields)


def test_a_client_survives_the_way_into_a_record_and_back() -> None:
    given = {"id": "u", "email": "e", "subId": "s", "totalGB": 5, "allowedIPs": ["10.0.0.2/32", "10.0.0.3/32"]}
    client = bind(given, CLIENT_FIELDS, "Client")
    record = record_from(client, 7)
    assert (record["id"], record["uuid"], record["allowedIPs"]) == (7, "u", "10.0.0.2/32,10.0.0.3/32")
    assert client_from(record) == client


def test_an_entry_leaves_out_what_is_empty_but_not_its_limits() -> None:
    entry = entry_from(bind({"email": "e"}, CLIENT_FIELDS, "Client"))
    assert set(entry) == {
        "security", "email", "limitIp", "totalGB", "expiryTime", "enable", "tgId", "subId", "comment", "reset",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "depleted"),
    [
        ({"total": 0, "up": 9, "down": 9, "expiryTime": 0}, False),
        ({"total": 10, "up": 5, "down": 4, "expiryTime": 0}, False),
        ({"total": 10, "up": 5, "down": 5, "expiryTime": 0}, True),
        ({"total": 0, "up": 0, "down": 0, "expiryTime": 1000}, True),
        ({"total": 0, "up": 0, "down": 0, "expiryTime": 1001}, False),
        ({"total": 0, "up": 0, "down": 0, "expiryTime": -5}, False),
    ],
)
def test_who_ran_out(row: dict[str, int], depleted: bool) -> None:
    assert is_depleted(row, 1000) is depleted


@pytest.mark.parametrize(
    ("protocol", "network", "security", "works"),
    [
        ("vless", "tcp", "reality", True),
        ("vless", "tcp", "tls", True),
        ("vless", "tcp", "none", False),
        ("vless", "ws", "tls", False),
        ("trojan", "tcp", "tls", False),
    ],
)
def test_where_vision_works(protocol: str, network: str, security: str, works: bool) -> None:
    inbound = {"protocol": protocol, "streamSettings": {"network": network, "security": security}}
    assert can_use_vision(inbound) is works
    assert can_use_vision(inbound | {"streamSettings": None}) is False


def test_failures_far_apart_do_not_lock_anybody_out() -> None:
    limiter = LoginLimiter()
    for minute in range(20):
        limiter.failed("10.0.0.1", "admin", minute * 61.0)
    assert limiter.is_blocked("10.0.0.1", "admin", 20 * 61.0) is True
    calm = LoginLimiter()
    for minute in range(20):
        calm.failed("10.0.0.1", "admin", minute * 80.0)
    assert calm.is_blocked("10.0.0.1", "admin", 20 * 80.0) is False


def test_a_lock_out_is_per_address_and_blind_to_case() -> None:
    limiter = LoginLimiter()
    for _ in range(5):
        limiter.failed("10.0.0.1", "Admin", 0.0)
    assert limiter.is_blocked("10.0.0.1", " aDMIN ", 899.0)
    assert not limiter.is_blocked("10.0.0.1", "admin", 900.0)
    assert not limiter.is_blocked("10.0.0.2", "admin", 1.0)


def test_rules_follow_the_number_of_the_release() -> None:
    assert parse_version("v3.4.2") == (3, 4, 2)
    assert Rules((3, 3, 1)).keeps_credentials_on_update
    assert not Rules((3, 3, 0)).keeps_credentials_on_update
    assert Rules((3, 4, 2)).restarts_on_depletion
    assert not Rules((3, 5, 0)).restarts_on_depletion


@pytest.mark.parametrize(
    ("cookie", "accept", "forced", "spoken"),
    [
        ("", "ru,en;q=0.8", "", "ru"),
        ("en-US", "ru", "", "en"),
        ("ru-RU", "en", "", "ru"),
        ("ru", "ru", "en", "en"),
        ("", "", "", "en"),
    ],
)
def test_whose_language_wins(cookie: str, accept: str, forced: str, spoken: str) -> None:
    assert language(cookie, accept, forced) == spoken


def test_what_was_dropped_and_saved_again_within_a_call_moves_to_the_end() -> None:
    store = Store(":memory:")
    state = PanelState(store)
    state.save_inbound({"id": 1})
    for email in ("a", "b"):
        state.save_entries(1, email, [{"email": email}])
    with state.together():
        state.drop_entries(1, "a")
        state.save_entries(1, "a", [{"email": "a", "n": 1}])
        state.save_entries(1, "a", [{"email": "a", "n": 2}])
    assert [id_ for id_, _ in store.all("xui.entry")] == ["1/b", "1/a"]
    assert PanelState(store).entries == state.entries == {1: {"b": [{"email": "b"}], "a": [{"email": "a", "n": 2}]}}


def test_a_call_that_breaks_off_keeps_what_it_had_done() -> None:
    store = Store(":memory:")
    state = PanelState(store)

    def break_off() -> None:
        with state.together():
            state.save_rate("a", {"up": 1, "down": 2})
            raise KeyError("a")

    with pytest.raises(KeyError):
        break_off()
    assert PanelState(store).rates == {"a": {"up": 1, "down": 2}}


def test_a_text_is_written_once_until_its_email_changes() -> None:
    texts, written = Texts(), iter(["first", "second", "third"])
    assert [texts.of("a", "list", lambda: next(written)) for _ in range(2)] == ["first", "first"]
    assert texts.of("a", "row", lambda: next(written)) == "second"
    texts.forget("a")
    assert texts.of("a", "list", lambda: next(written)) == "third"


def test_a_client_of_another_type_is_read_as_zero_by_old_panels() -> None:
    whole = typed({"email": 5, "tgId": "", "enable": "yes", "totalGB": 7, "reverse": None})
    assert (whole["email"], whole["tgId"], whole["enable"], whole["totalGB"]) == ("", 0, False, 7)


@pytest.mark.parametrize(
    ("version", "given", "kept"),
    [((3, 1, 0), {"group": "g"}, ""), ((3, 2, 0), {"group": "g"}, "g")],
)
def test_a_field_of_a_later_version_is_passed_over(version: Version, given: dict[str, str], kept: str) -> None:
    assert bind_client({"email": "e"} | given, version)["group"] == kept
