"""Callback data is what anybody sends: what fits the grammar is understood, everything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.faces.bot.press import NotAPress, parse

GOOD = {
    "v1:home": ("home", {}),
    "v1:buy": ("buy", {}),
    "v1:gift": ("gift", {}),
    "v1:plan:7": ("plan", {"plan": "7"}),
    "v1:term:12": ("term", {"term": "12"}),
    "v1:pay:yookassa:12": ("pay", {"method": "yookassa", "term": "12"}),
    "v1:pay:crypto_bot:12:aB3": ("pay", {"method": "crypto_bot", "term": "12", "nonce": "aB3"}),
    "v1:check:FM-20X_y": ("check", {"order": "FM-20X_y"}),
    "v1:cancel:FM-20X_y": ("cancel", {"order": "FM-20X_y"}),
    "v1:subs": ("subs", {}),
    "v1:sub:abc23": ("sub", {"ref": "abc23"}),
    "v1:key:abc23": ("key", {"ref": "abc23"}),
    "v1:help": ("help", {}),
    "v1:rules": ("rules", {}),
    "v1:lang": ("lang", {}),
    "v1:lang:ru": ("lang", {"language": "ru"}),
}
BAD = [
    "",
    ":",
    "v1",
    "v1:",
    "v1::",
    "v1:home:",
    "v1:home\n",
    " v1:home",
    "V1:home",
    "v0:home",
    "v10:home",
    "v1:HOME",
    "v1:plan",
    "v1:plan:",
    "v1:plan:0",
    "v1:plan:07",
    "v1:plan:-7",
    "v1:plan:7.5",
    "v1:plan:٧",
    "v1:plan:" + "9" * 19,
    "v1:pay:yookassa",
    "v1:pay:YooKassa:1",
    "v1:pay:yookassa:1:",
    "v1:pay:yookassa:1:a-b",
    "v1:pay:yookassa:1:abc:199",
    "v1:sub:../x",
    "v1:sub:" + "a" * 41,
    "v1:lang:xx",
    "v1:__class__",
    "\x00" * 64,
]


@pytest.mark.parametrize(("data", "meaning"), GOOD.items())
def test_our_own_buttons_are_understood(data: str, meaning: tuple[str, dict[str, str]]) -> None:
    press = parse(data)
    assert (press.verb, press.words, press.data) == (*meaning, data)


@pytest.mark.parametrize("data", BAD)
def test_anything_else_is_refused(data: str) -> None:
    with pytest.raises(NotAPress):
        parse(data)


def test_a_number_is_a_number() -> None:
    assert parse("v1:term:12").number("term") == 12
    assert parse("v1:plan:" + "9" * 18).number("plan") < 2**63, "fits the database's column"


@given(st.text(max_size=64) | st.text(alphabet="v1:paylntermsubkhoc0-9", max_size=64).map(lambda rest: f"v1:{rest}"))
def test_no_text_does_more_than_be_refused(data: str) -> None:
    try:
        press = parse(data)
    except NotAPress:
        return
    assert press.data == data
    assert data.startswith(f"v1:{press.verb}")
