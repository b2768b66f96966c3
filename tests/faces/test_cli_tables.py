"""What fits into eighty columns, and secrets that stay out of arguments."""

import io

import pytest
import typer

from ferryman.faces.cli import asking, describing
from ferryman.faces.cli.describing import Way
from ferryman.faces.cli.tables import ago, cut, table, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("Узел", 4), ("🇳🇱", 2), ("✅", 2), ("⚠️", 2), ("🇳🇱 nl", 5), ("é", 1), ("中文", 4), ("", 0)],
)
def test_the_width_of_a_text_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert width(text) == columns


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("🇳🇱🇩🇪🇫🇮", 4) == "🇳🇱…", "half a flag is none"
    assert cut("abcd", 4) == "abcd"


def test_a_table_lines_up_and_never_is_wider_than_eighty_columns() -> None:
    rows = [("✅", "n" * 90, "1"), ("⚠️", "short", "12345")]
    lines = table(("", "NAME", "KEYS"), rows, numbers="  >")
    assert all(width(line) <= 80 for line in lines)
    assert lines[1].endswith("…      1")
    assert {width(line) for line in lines} == {80}


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (9 * 86400, "9 d")]
)
def test_how_long_ago_is_said_in_one_unit(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_a_secret_comes_from_the_environment_or_standard_input_and_from_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter2")
    monkeypatch.setattr("sys.stdin", io.StringIO("first\nsecond\n"))
    assert asking.secret("--token", "") is None
    read = [asking.secret("--token", given) for given in ("env:A_TOKEN", "-", "-")]
    assert [one.get_secret_value() for one in read if one] == ["hunter2", "first", "second"]
    for given in ("hunter2", "env:NOT_SET"):
        with pytest.raises(typer.BadParameter) as caught:
            asking.secret("--token", given)
        assert "hunter2" not in str(caught.value)


def test_new_credentials_take_the_place_of_the_old_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("TOTP", "JBSWY3DP")
    first = Way(url="https://a/", username="u", password="env:SECRET", totp="env:TOTP").access()
    assert (first.username, first.password is not None, first.totp is not None) == ("u", True, True)
    second = Way(token="env:SECRET").changed(first)
    assert (second.url, second.username, second.password, second.totp) == ("https://a/", "", None, None)
    third = Way(username="v", password="env:SECRET", insecure=True).changed(second)
    assert (third.token, third.username, third.insecure) == (None, "v", True)
    assert Way(pin="ab").changed(third).password == third.password


def test_what_an_inbound_shall_look_like_is_a_host_with_or_without_a_port() -> None:
    made = describing.new_inbound(443, "www.example.org")
    assert made is not None
    assert (made.target, made.server_name) == ("www.example.org:443", "www.example.org")
    other = describing.new_inbound(443, "www.example.org:8443")
    assert other is not None and other.target == "www.example.org:8443"
    assert describing.new_inbound(None, "") is None
    for port, target in ((0, "a.example"), (443, "https://a.example/"), (443, ":443")):
        with pytest.raises(typer.BadParameter):
            describing.new_inbound(port, target)


def test_tags_and_ids_are_read_or_refused() -> None:
    assert describing.tags_of(["1=fast,video", "3=old"]) == {1: ["fast", "video"], 3: ["old"]}
    assert describing.wanted("all") == "all"
    assert describing.wanted("1, 3") == [1, 3]
    assert describing.wanted("") is None
    for wrong in (["fast"], ["x=fast"]):
        with pytest.raises(typer.BadParameter):
            describing.tags_of(wrong)
