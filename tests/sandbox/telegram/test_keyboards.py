"""Reply markup: which buttons pass, and the server's words for those that do not."""

from typing import Any

import pytest

from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.keyboards import checked

NO_ACTION = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
WRONG_URL = "inline keyboard button URL '{}' is invalid: Wrong HTTP URL"


def inline(**button: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x", **button}]]}


@pytest.mark.parametrize(
    "button",
    [
        {"callback_data": "x" * 64},
        {"callback_data": "я" * 32},
        {"url": "https://shop.example/pay?id=1"},
        {"url": "tg://user?id=7"},
        {"url": "http://127.0.0.1:8080/pay"},
        {"url": "http://localhost:8080/pay"},
        {"web_app": {"url": "https://shop.example/app"}},
        {"web_app": {"url": "http://127.0.0.1:8080/app"}},
        {"copy_text": {"text": "x" * 256}},
        {"callback_data": "x", "style": "danger", "icon_custom_emoji_id": "5"},
        {"switch_inline_query_current_chat": "q"},
    ],
)
def test_a_good_button_is_kept_as_it_is(button: dict[str, Any]) -> None:
    assert checked(inline(**button), local_http=True) == inline(**button)


@pytest.mark.parametrize(
    ("button", "complaint"),
    [
        ({}, NO_ACTION),
        ({"callback_data": ""}, NO_ACTION),
        ({"text": ""}, "can't parse inline keyboard button: Can't find field \"text\""),
        ({"callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
        ({"callback_data": "я" * 33}, "BUTTON_DATA_INVALID"),
        ({"url": "vless://key@host:443"}, WRONG_URL.format("vless://key@host:443")),
        ({"url": "https://no dots"}, WRONG_URL.format("https://no dots")),
        ({"url": "https://a.example:port/"}, WRONG_URL.format("https://a.example:port/")),
        (
            {"web_app": {"url": "http://shop.example/"}},
            "inline keyboard button Web App URL 'http://shop.example/' is invalid: Only HTTPS links are allowed",
        ),
        ({"copy_text": {"text": ""}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"copy_text": {"text": "x" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"pay": True}, "BUTTON_TYPE_INVALID"),
        ({"callback_data": "x", "style": "loud"}, "can't parse inline keyboard button: Invalid button style specified"),
    ],
)
def test_a_wrong_button_is_refused(button: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        checked(inline(**button), local_http=True)
    assert refused.value.description == f"Bad Request: {complaint}"


@pytest.mark.parametrize("url", ["http://localhost:8080/pay", "http://shop/"])
def test_without_the_switch_a_host_needs_a_dot(url: str) -> None:
    with pytest.raises(ApiError, match="Wrong HTTP URL"):
        checked(inline(url=url), local_http=False)


def test_without_the_switch_a_mini_app_at_home_needs_https() -> None:
    with pytest.raises(ApiError, match="Only HTTPS links are allowed"):
        checked(inline(web_app={"url": "http://127.0.0.1:8080/app"}), local_http=False)


def test_the_first_filled_action_wins() -> None:
    both = inline(callback_data="x", url="https://a.example/")
    assert checked(both, local_http=True) == inline(url="https://a.example/")


def test_empty_rows_and_unknown_members_vanish() -> None:
    markup = {"inline_keyboard": [[], [{"text": "x", "callback_data": "x", "colour": "red"}]]}
    assert checked(markup, local_http=True) == inline(callback_data="x")
    assert checked({"inline_keyboard": []}, local_http=True) == {}
    assert checked(None, local_http=True) == {}
    assert checked({}, local_http=True) == {}


def test_more_than_a_hundred_buttons_are_too_long() -> None:
    row = [{"text": "x", "callback_data": "x"}] * 101
    with pytest.raises(ApiError, match="reply markup is too long"):
        checked({"inline_keyboard": [row]}, local_http=True)


@pytest.mark.parametrize("markup", [[], "keyboard", {"inline_keyboard": "x"}, {"keyboard": [{"text": "x"}]}])
def test_markup_of_the_wrong_shape_is_a_bad_request(markup: Any) -> None:
    with pytest.raises(ApiError, match="Bad Request"):
        checked(markup, local_http=True)


def test_reply_buttons_may_be_words_or_objects_with_text() -> None:
    markup = {"keyboard": [["Yes"], [{"text": "No"}]], "resize_keyboard": True}
    assert checked(markup, local_http=True)["keyboard"] == [[{"text": "Yes"}], [{"text": "No"}]]
    with pytest.raises(ApiError, match="can't parse keyboard button"):
        checked({"keyboard": [[{"text": ""}]]}, local_http=True)
