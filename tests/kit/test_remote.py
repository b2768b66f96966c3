"""What all clients of other people's APIs share: addresses that are safe to send a secret to, numbers kept exact."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from ferryman.kit import remote
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.money import Money

REAL = "https://api.shop.example/v2"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"]
)
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert remote.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.example", "mylocalhost", "10.0.0.1", "0.0.0.0", "::2", "127.0.0.1.nip.example"]
)
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not remote.is_loopback(host)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://api.shop.example/v2", "https://api.shop.example/v2"),
        ("https://api.shop.example/v2///", "https://api.shop.example/v2"),
        ("https://api.shop.example:8443", "https://api.shop.example:8443"),
        ("http://127.0.0.1:9000/v2/", "http://127.0.0.1:9000/v2"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_a_safe_address_is_kept_without_its_last_slash(given_: str, kept: str) -> None:
    assert remote.safe_base(given_) == kept


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("http://api.shop.example/v2", "https://"),
        ("http://0.0.0.0/v2", "https://"),
        ("ftp://api.shop.example", "must be an address"),
        ("api.shop.example", "must be an address"),
        ("https://", "must be an address"),
        ("https:///v2", "must be an address"),
        ("", "must be an address"),
        ("https://user:pw@api.shop.example", "must be an address"),
        ("https://@api.shop.example", "must be an address"),
        ("https://api.shop.example/?a=1", "must be an address"),
        ("https://api.shop.example/?", "must be an address"),
        ("https://api.shop.example/#top", "must be an address"),
        ("https://api.shop.example/ v2", "must be an address"),
        ("https://api.shop.example/\nv2", "must be an address"),
        ("https://api.shöp.example/v2", "must be an address"),
        ("https://api.shop.example:0", "port"),
        ("https://api.shop.example:99999", "Port|port"),
        ("https://[::1", "IPv6"),
    ],
)
def test_an_address_that_could_leak_or_mislead_is_refused(given_: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        remote.safe_base(given_)


def test_a_settings_field_of_that_type_names_what_is_wrong() -> None:
    class Config(BaseModel):
        api_base: remote.ApiBase = REAL

    assert Config(api_base="https://a.example/").api_base == "https://a.example"
    with pytest.raises(ValidationError, match="must start with https://"):
        Config(api_base="http://a.example")


@pytest.mark.parametrize("secret", ["", "canary canary", "canary\r\nX-Injected: 1", "canary\t", "канарейка"])
def test_a_secret_that_would_break_a_header_is_refused_and_not_shown(secret: str) -> None:
    class Config(BaseModel):
        model_config = ConfigDict(hide_input_in_errors=True)
        token: remote.HeaderSecret

    assert Config.model_validate({"token": "a-B_9+/="}).token.get_secret_value() == "a-B_9+/="
    with pytest.raises(ValidationError, match="token") as wrong:
        Config.model_validate({"token": secret})
    assert "canary" not in str(wrong.value)


def test_an_emulator_is_refused_outside_the_sandbox_and_named() -> None:
    with pytest.raises(Misconfigured, match=r"Acme's api_base.*Set api_base to https://api.shop.example/v2"):
        remote.refuse_play("Acme", "http://127.0.0.1:1/v2", REAL, sandbox=False, play_money=False)
    remote.refuse_play("Acme", "http://127.0.0.1:1/v2", REAL, sandbox=True, play_money=True)


def test_play_money_is_refused_outside_the_sandbox() -> None:
    with pytest.raises(Misconfigured, match=r"Acme's account takes play money"):
        remote.refuse_play("Acme", REAL, REAL, sandbox=False, play_money=True)
    remote.refuse_play("Acme", REAL, REAL, sandbox=False, play_money=False)


def test_only_the_first_try_is_the_first_however_it_ended() -> None:
    tries = remote.Tries()
    with pytest.raises(Unreachable), tries.one("a"):
        raise Unreachable("No answer.")
    with tries.one("a") as again, tries.one("b") as other:
        assert (again, other) == (False, True)


def test_two_tries_at_one_moment_are_one() -> None:
    tries = remote.Tries()
    with tries.one("a"), pytest.raises(Busy) as busy, tries.one("a"):
        pass
    assert busy.value.after == 1.0
    with tries.one("a") as first:
        assert not first


def test_only_the_newest_tries_are_remembered() -> None:
    tries = remote.Tries(remembered=2)
    for key, expected in (("a", True), ("b", True), ("c", True), ("b", False), ("a", True)):
        with tries.one(key) as first:
            assert first is expected, key


def test_numbers_with_a_fraction_stay_as_they_were_written() -> None:
    read = remote.document(b'{"a": 0.10, "b": 1e2, "c": 10, "d": "x", "e": 100000000000000000.01}')
    assert read == {"a": "0.10", "b": "1e2", "c": 10, "d": "x", "e": "100000000000000000.01"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"7", b"null", b'"a"', b"\xff\xfe", b'{"a": NaN}', b'{"a": -Infinity}'),
        b'{"a":' * 100_000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: f"{body[:8]!r}",
)
def test_what_is_no_json_object_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        remote.document(body)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_value_error(body: bytes) -> None:
    try:
        assert isinstance(remote.document(body), dict)
    except ValueError:
        return


@given(minor=st.integers(-(10**12), 10**12), as_number=st.booleans())
def test_a_sum_survives_the_wire_to_the_last_unit(minor: int, as_number: bool) -> None:
    written = Money(minor, "EUR").decimal()
    body = f'{{"amount": {written}}}' if as_number else f'{{"amount": "{written}"}}'
    assert remote.money(remote.document(body)["amount"], "EUR") == Money(minor, "EUR")


@pytest.mark.parametrize("amount", [None, True, [], {}, 1.5, "", "1e2", "ten", "1.005", "١", " 1"])
def test_what_is_no_sum_is_a_value_error(amount: Any) -> None:
    with pytest.raises(ValueError):
        remote.money(amount, "EUR")


@pytest.mark.parametrize("currency", [None, 7, "", "eur", "EU", "EUROPA"])
def test_what_is_no_currency_is_a_value_error(currency: Any) -> None:
    with pytest.raises(ValueError):
        remote.money("1", currency)


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        ("999999", 3600.0),
        ("9" * 500, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_wait_is_seconds_and_an_hour_at_most(given_: str, seconds: float | None) -> None:
    assert remote.retry_after({"Retry-After": given_}) == seconds
    assert remote.retry_after({}) is None


@pytest.mark.parametrize(
    ("status", "changes", "kind"),
    [
        (400, True, Refused),
        (401, False, AccessDenied),
        (403, True, AccessDenied),
        (404, False, NotFound),
        (422, True, Refused),
        (408, True, Busy),
        (429, True, Busy),
        (500, True, Unreachable),
        (500, False, Busy),
        (200, True, Unreachable),
        (302, False, Busy),
    ],
)
def test_an_answer_is_sorted_by_what_to_do_next(status: int, changes: bool, kind: type[FerrymanError]) -> None:
    error = remote.problem(status, f"Acme answered {status}", changes=changes, after=7.0)
    assert type(error) is kind
    assert str(error).startswith(f"Acme answered {status}")
    if isinstance(error, (Busy, Unreachable)):
        assert error.after == 7.0


@pytest.mark.parametrize(
    ("given_", "found"),
    [("abc", "abc"), (7, "7"), (True, None), (None, None), (1.5, None), ("a\n", None), (["a"], None)],
)
def test_only_what_is_of_the_shape_as_a_whole_matches(given_: Any, found: str | None) -> None:
    assert remote.matching(given_, re.compile(r"[a-z0-9.]+")) == found


@pytest.mark.parametrize(
    ("given_", "amount"),
    [
        ("0.00016069", "0.00016069"),
        (3, "3"),
        ("0", "0"),
        ("", "0"),
        ("-1", "0"),
        ("1e9", "0"),
        (None, "0"),
        ("NaN", "0"),
    ],
)
def test_an_amount_of_coins_is_exact_or_nothing(given_: Any, amount: str) -> None:
    assert remote.coins(given_) == Decimal(amount)


@pytest.mark.parametrize("given_", ["javascript:alert(1)", "ftp://a.example", "//a.example", None, 7, ""])
def test_a_payer_is_sent_to_a_web_page_or_nowhere(given_: Any) -> None:
    assert remote.page_address(given_) == ""
    assert remote.page_address("https://a.example/pay?x=1") == "https://a.example/pay?x=1"
