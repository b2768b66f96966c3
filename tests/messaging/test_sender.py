"""What a button may be, and what a key looks like."""

import pytest
import zxingcpp

from ferryman.messaging.keys import key_keyboard, qr_png
from ferryman.messaging.sender import Button, Keyboard
from ferryman.messaging.texts import voice
from tests.messaging.pixels import image


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x"},
        {"text": "x", "data": "a", "url": "https://x.example"},
        {"text": "", "data": "a"},
        {"text": "x", "data": ""},
        {"text": "x", "data": "ж" * 33},
        {"text": "x", "copy": ""},
        {"text": "x", "copy": "c" * 257},
    ],
)
def test_a_button_that_telegram_would_refuse_is_never_made(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Button(**wrong)


def test_limits_are_counted_as_telegram_counts_them() -> None:
    assert Button("x", data="ж" * 32).data
    assert Button("x", copy="ж" * 256).copy


def test_keyboards_are_values() -> None:
    assert Keyboard(((Button("x", data="a"),),)) == Keyboard(((Button("x", data="a"),),))


@pytest.mark.parametrize("link", ["https://shop.example/s/abcdefghijklmnopqrstuvwx", "http://127.0.0.1/s/" + "Z" * 128])
def test_a_camera_reads_the_link_off_the_picture(link: str) -> None:
    found = zxingcpp.read_barcodes(image(qr_png(link)))
    assert [code.text for code in found] == [link]


def test_a_key_can_be_copied_unless_it_is_too_long_for_a_button() -> None:
    back = Button("back", data="v1:home")
    short = key_keyboard(voice("ru"), "https://shop.example/s/a", back)
    assert [button.copy for (button,) in short.rows] == ["https://shop.example/s/a", None, None]
    assert short.rows[-1] == (back,)
    long = key_keyboard(voice("ru"), "https://shop.example/s/" + "a" * 300)
    assert [button.data for (button,) in long.rows] == ["v1:help"]
