"""One reading of an old panel's inbounds, the moves it leads to, and the names in it; no panel needed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.fleet.panel import Access
from ferryman.fleet.panels.xui import naming
from ferryman.fleet.panels.xui.legacy.book import Book
from ferryman.fleet.panels.xui.legacy.moves import Add, Plan, Rebuild, Remove, Rules, Update
from ferryman.fleet.panels.xui.legacy.writing import carried, nobody

NOW = datetime(2026, 11, 22, tzinfo=UTC)
APART = Rules(shares_names=False, sets_counters=True, deletes_by_name=True)
SHARED = Rules(shares_names=True, sets_counters=True, deletes_by_name=True)


def access(*inbounds: int, **changes: Any) -> Access:
    given: dict[str, Any] = {
        "email": "a",
        "uuid": "u",
        "password": "p",
        "sub_id": "s",
        "enabled": True,
        "ends_at": None,
        "traffic_bytes": 9,
        "devices": 0,
        "inbounds": inbounds,
    }
    return Access(**{**given, **changes})


def entry(email: str = "a", **changes: Any) -> dict[str, Any]:
    held = {"id": "u", "password": "p", "subId": "s", "enable": True, "totalGB": 9, "expiryTime": 0}
    return {"email": email, **held, **changes}


def row(email: str, up: int = 0, **changes: Any) -> dict[str, Any]:
    return {"email": email, "enable": True, "up": up, "down": 2 * up, "total": 9, "expiryTime": 0, **changes}


def book(*inbounds: tuple[list[dict[str, Any]], list[dict[str, Any]]], protocol: str = "vless") -> Book:
    """Inbounds 1, 2, …, each of entries and rows."""
    listed = [
        {
            "id": number,
            "protocol": protocol,
            "port": number,
            "enable": True,
            "streamSettings": "{}",
            "settings": json.dumps({"clients": entries}),
            "clientStats": rows,
        }
        for number, (entries, rows) in enumerate(inbounds, 1)
    ]
    return Book(listed, NOW)


def test_entries_of_one_customer_are_one_client() -> None:
    read = book(([entry()], [row("a", 1)]), ([entry("a~i2")], [row("a~i2", 10)]))
    seen = read.seen("a")
    assert seen is not None
    assert (seen.inbounds, seen.up, seen.down, seen.flawed, seen.enabled) == ((1, 2), 11, 22, "", True)
    assert [one.email for one in read.everyone()] == ["a"]


def test_a_mark_of_another_inbound_is_part_of_a_name() -> None:
    read = book(([entry("a~i2"), entry("b~ix"), entry("~i1")], []))
    assert {one.email for one in read.everyone()} == {"a~i2", "b~ix", "~i1"}


def test_a_shared_row_counts_once() -> None:
    seen = book(([entry()], [row("a", 7)]), ([entry()], [row("a", 7)])).seen("a")
    assert seen is not None and (seen.up, seen.down) == (7, 14)


@pytest.mark.parametrize(
    ("inbounds", "flaw"),
    [
        ([([entry(), entry()], [row("a")])], "twice in one inbound"),
        ([([entry()], [row("a")]), ([entry("a~i2", totalGB=8)], [row("a~i2", total=8)])], "its inbounds disagree"),
        ([([entry()], [row("a")]), ([entry("a~i2", enable=False)], [row("a~i2")])], "on in some inbounds"),
        ([([entry()], [])], "counters"),
        ([([entry()], [row("a", total=1)])], "totalGB"),
        ([([entry()], [row("a", expiryTime=5)])], "expiryTime"),
        ([([entry()], [row("a", 9, enable=False)]), ([entry("a~i2")], [row("a~i2")])], ""),
    ],
)
def test_what_does_not_fit_is_named(inbounds: list[Any], flaw: str) -> None:
    seen = book(*inbounds).seen("a")
    assert seen is not None
    assert flaw in seen.flawed if flaw else seen.flawed == ""


def test_a_client_whose_every_row_is_off_is_off() -> None:
    """Until 2.9.3 the entry of a spent client still says enabled."""
    seen = book(([entry()], [row("a", 9, enable=False)])).seen("a")
    assert seen is not None and not seen.enabled


def test_nobody_is_nobodys_client() -> None:
    placeholder = nobody(1)
    assert book(([placeholder], [])).seen(placeholder["email"]) is None
    assert naming.is_nobody(placeholder["email"])
    assert not naming.is_nobody("nobody-1-mine") and not naming.is_nobody("nobody")
    assert placeholder["enable"] is False and placeholder["reset"] > 0
    assert (placeholder["expiryTime"], placeholder["totalGB"]) == (0, 0)


@pytest.mark.parametrize("rules", [APART, SHARED])
def test_nothing_is_moved_where_all_is_as_owed(rules: Rules) -> None:
    second = "a" if rules.shares_names else "a~i2"
    read = book(([entry()], [row("a")]), ([entry(second)], [row(second)]))
    assert Plan(read, access(1, 2), rules).moves() == []


def test_the_name_itself_is_given_once_where_names_are_not_shared() -> None:
    read = book(([], []), ([], []), ([], []))
    apart = Plan(read, access(1, 2, 3), APART).moves()
    assert [move.fields["email"] for move in apart if isinstance(move, Add)] == ["a", "a~i2", "a~i3"]
    shared = Plan(read, access(1, 2, 3), SHARED).moves()
    assert [move.fields["email"] for move in shared if isinstance(move, Add)] == ["a", "a", "a"]


def test_updates_come_first_and_removals_last() -> None:
    read = book(([entry(totalGB=5)], [row("a")]), ([], []), ([entry("a~i3")], [row("a~i3")]))
    moves = Plan(read, access(1, 2), APART).moves()
    assert [type(move) for move in moves] == [Update, Add, Remove]


@pytest.mark.parametrize("entries", [[entry(), entry()], [entry(id="")], [entry(), entry("b", totalGB=1)]])
def test_what_no_update_can_mend_is_built_anew(entries: list[dict[str, Any]]) -> None:
    moves = Plan(book((entries, [row("a"), row("b")])), access(1, traffic_bytes=8), APART).moves()
    assert [type(move) for move in moves] == [Rebuild]


@given(
    before=st.sets(st.integers(1, 5), min_size=1),
    after=st.sets(st.integers(1, 5), min_size=1),
    counts=st.lists(st.integers(0, 1000), min_size=5, max_size=5),
    anchor=st.integers(0, 4),
)
def test_a_move_never_forgets_and_never_doubles_what_was_counted(
    before: set[int], after: set[int], counts: list[int], anchor: int
) -> None:
    at = sorted(before)
    named = at[anchor % len(at)]
    names = {number: "a" if number == named else f"a~i{number}" for number in before}
    read = book(
        *(
            ([entry(names[n])], [row(names[n], counts[n - 1], total=10**9)]) if n in before else ([], [])
            for n in range(1, 6)
        )
    )
    moves = Plan(read, access(*after), APART).moves()
    counted = {names[number]: counts[number - 1] for number in before}
    for move in moves:
        match move:
            case Remove(entries):
                for one in entries:
                    counted.pop(one.email)
            case Rebuild(entries, fields):
                counted[str(fields["email"])] = 0
            case Add(_, fields):
                assert str(fields["email"]) not in counted
                counted[str(fields["email"])] = 0
    counted.update({email: up for email, (up, _) in carried(read, moves).items()})
    assert sum(counted.values()) == sum(counts[number - 1] for number in before)
