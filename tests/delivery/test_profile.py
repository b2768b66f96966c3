import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from ferryman.delivery.link import is_token, subscription_url
from ferryman.delivery.profile import Entry, Profile, render_base64
from ferryman.delivery.share_links import Identity, LinkInbound
from ferryman.kit.secrets import new_token

ALICE = Identity("11111111-2222-4333-8444-555555555555", "pw", "s1a2b3", "alice")
PLAIN = LinkInbound("vless", "tcp", "none", 443, {})


def entry(remark: str, inbound: LinkInbound = PLAIN) -> Entry:
    return Entry(inbound, "de1.example.net", ALICE, remark)


def profile(**changes: Any) -> Profile:
    whole = Profile(
        title="Паром",
        entries=(entry("🇩🇪 Германия"), entry("🇳🇱 Нидерланды")),
        upload=455,
        download=6174,
        total=107374182400,
        expires_at=datetime(2026, 1, 1, tzinfo=UTC),
        update_hours=12,
    )
    return replace(whole, **changes)


def lines(shown: Profile) -> list[str]:
    text = base64.b64decode(render_base64(shown).body, validate=True).decode()
    assert text.endswith("\n")
    return text.splitlines()


def remarks(shown: Profile) -> list[str]:
    return [unquote(line.partition("#")[2]) for line in lines(shown)]


def etag(shown: Profile) -> str:
    return render_base64(shown).headers["etag"]


def test_the_body_is_one_link_a_line_in_padded_base64() -> None:
    assert remarks(profile()) == ["🇩🇪 Германия", "🇳🇱 Нидерланды"]


def test_the_headers_say_what_is_left_and_until_when() -> None:
    headers = render_base64(profile()).headers
    assert headers["subscription-userinfo"] == "upload=455; download=6174; total=107374182400; expire=1767225600"
    assert headers["profile-update-interval"] == "12"
    assert headers["content-type"].startswith("text/plain")


def test_without_an_end_or_a_limit_the_numbers_are_zero_and_still_there() -> None:
    headers = render_base64(profile(total=0, expires_at=None)).headers
    assert headers["subscription-userinfo"] == "upload=455; download=6174; total=0; expire=0"


def test_a_russian_title_travels_in_ascii() -> None:
    headers = render_base64(profile()).headers
    assert base64.b64decode(headers["profile-title"].removeprefix("base64:")).decode() == "Паром"
    assert headers["content-disposition"] == (
        "attachment; filename=\"subscription\"; filename*=UTF-8''%D0%9F%D0%B0%D1%80%D0%BE%D0%BC"
    )


@pytest.mark.parametrize(
    "title", ["Ferry\r\nSet-Cookie: a=b", 'a"; filename="evil', "x\x00y", "a\\b/../c", "№ 1 — «Паром» 🚢", ""]
)
def test_no_title_can_break_out_of_its_header(title: str) -> None:
    headers = render_base64(profile(title=title, notices=(title,), support_url=f"https://x.example/{title}")).headers
    for value in headers.values():
        assert re.fullmatch(r"[\x20-\x7e]*", value)
    plain = re.fullmatch(
        r"attachment; filename=\"([^\"\\]+)\"; filename\*=UTF-8''[A-Za-z0-9%_.~-]*", headers["content-disposition"]
    )
    assert plain is not None


def test_support_is_named_only_when_it_is_an_address() -> None:
    assert render_base64(profile(support_url="https://t.me/help")).headers["support-url"] == "https://t.me/help"
    for useless in ("", "@help", "javascript:alert(1)"):
        assert "support-url" not in render_base64(profile(support_url=useless)).headers


def test_the_same_profile_is_the_same_bytes_and_the_same_tag() -> None:
    assert render_base64(profile()) == render_base64(profile())
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag(profile()))


def test_traffic_does_not_change_the_tag_and_everything_else_does() -> None:
    assert etag(profile(upload=9, download=10**9)) == etag(profile())
    others: list[dict[str, Any]] = [
        {"title": "Ferry"},
        {"entries": (entry("🇩🇪 Германия"),)},
        {"entries": (entry("🇳🇱 Нидерланды"), entry("🇩🇪 Германия"))},
        {"total": 1},
        {"expires_at": datetime(2026, 2, 1, tzinfo=UTC)},
        {"expires_at": None},
        {"update_hours": 6},
        {"notices": ("Soon over",)},
        {"support_url": "https://t.me/help"},
    ]
    assert len({etag(profile()), *(etag(profile(**one)) for one in others)}) == len(others) + 1


def test_one_way_in_that_has_no_link_is_left_out_and_named() -> None:
    broken = LinkInbound("vless", "tcp", "reality", 443, {"reality": {}})
    rendered = render_base64(profile(entries=(entry("DE"), entry("broken", broken), entry("NL"))))
    assert len(base64.b64decode(rendered.body).splitlines()) == 2
    assert len(rendered.left_out) == 1
    assert rendered.left_out[0].startswith("broken: ")


def test_an_ended_subscription_says_so_where_every_app_shows_it() -> None:
    ended = profile(entries=(), notices=("Подписка закончилась", "Продлите её в боте"))
    assert remarks(ended) == ["Подписка закончилась", "Продлите её в боте"]
    assert all("@127.0.0.1:1?" in line for line in lines(ended))
    headers = render_base64(ended).headers
    announced = base64.b64decode(headers["announce"].removeprefix("base64:")).decode()
    assert announced == "Подписка закончилась\nПродлите её в боте"
    assert "expire=1767225600" in headers["subscription-userinfo"]


def test_a_profile_is_never_empty() -> None:
    nothing = lines(profile(entries=()))
    assert len(nothing) == 1
    assert "@127.0.0.1:1?" in nothing[0]


def test_a_link_is_the_base_and_the_token() -> None:
    token = new_token()
    assert subscription_url("https://vpn.example/", token) == f"https://vpn.example/s/{token}"
    assert is_token(token)


@pytest.mark.parametrize(
    "token", ["", "short", "a" * 129, "../../etc/passwd-and-more", "a" * 20 + "\n", "ключ" * 6, "a b" * 8]
)
def test_what_could_be_no_token_makes_no_link(token: str) -> None:
    assert not is_token(token)
    with pytest.raises(ValueError, match="token"):
        subscription_url("https://vpn.example", token)
