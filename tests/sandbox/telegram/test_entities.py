"""HTML to text and entities in UTF-16 units, and the parser's complaints."""

import html
from typing import Any

import pytest
from aiogram.types import MessageEntity
from aiogram.utils.text_decorations import html_decoration
from hypothesis import given
from hypothesis import strategies as st

from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.entities import formatted, units


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain", "plain", []),
        ("<b>a</b><strong>b</strong>", "ab", [entity("bold", 0, 1), entity("bold", 1, 1)]),
        ("<i>a</i><em>b</em>", "ab", [entity("italic", 0, 1), entity("italic", 1, 1)]),
        ("<u>a</u><ins>b</ins>", "ab", [entity("underline", 0, 1), entity("underline", 1, 1)]),
        ("<s>a</s><del>b</del>", "ab", [entity("strikethrough", 0, 1), entity("strikethrough", 1, 1)]),
        ('<span class="tg-spoiler">a</span>', "a", [entity("spoiler", 0, 1)]),
        ("<tg-spoiler>a</tg-spoiler>", "a", [entity("spoiler", 0, 1)]),
        ("🙂<B>bold</B>", "🙂bold", [entity("bold", 2, 4)]),
        ("<b>one <i>two</i></b>", "one two", [entity("bold", 0, 7), entity("italic", 4, 3)]),
        (
            '<a href="https://a.example/?x=1&amp;y=2">go</a>',
            "go",
            [entity("text_link", 0, 2, url="https://a.example/?x=1&y=2")],
        ),
        ("<a href='tg://user?id=7'>Ann</a>", "Ann", [entity("text_link", 0, 3, url="tg://user?id=7")]),
        ('<a href="vless://key">key</a>', "key", []),
        ("<code>x &lt; y</code>", "x < y", [entity("code", 0, 5)]),
        ("<code><b>x</b></code>", "x", [entity("code", 0, 1)]),
        ('<pre><code class="language-python">x</code></pre>', "x", [entity("pre", 0, 1, language="python")]),
        ("<blockquote expandable>q</blockquote>", "q", [entity("expandable_blockquote", 0, 1)]),
        ('<tg-emoji emoji-id="5">🙂</tg-emoji>', "🙂", [entity("custom_emoji", 0, 2, custom_emoji_id="5")]),
        ("a &amp; b &copy; &#33; &#x21;", "a & b &copy; ! !", []),
        ("  <b> x </b>  ", "x", [entity("bold", 0, 1)]),
        ("<b></b>x", "x", []),
    ],
)
def test_html_becomes_text_and_entities(source: str, text: str, entities: list[dict[str, Any]]) -> None:
    body = formatted(source, "HTML")
    assert body.text == text
    assert body.entities == entities


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("я</b>", "Unexpected end tag at byte offset 2"),
        ("<div>x</div>", 'Unsupported start tag "div" at byte offset 0'),
        ("<span>x</span>", 'Unsupported start tag "span" at byte offset 0'),
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("hello <b", "Unclosed start tag at byte offset 6"),
    ],
)
def test_broken_html_is_refused_with_its_place(source: str, complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        formatted(source, "HTML")
    assert refused.value.description == f"Bad Request: can't parse entities: {complaint}"


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("/start now", [entity("bot_command", 0, 6)]),
        ("🙂 /help@shop_bot", [entity("bot_command", 3, 14)]),
        ("either/or", []),
        ("see https://a.example/x. Bye", [entity("url", 4, 19)]),
        ("ask @support_ann!", [entity("mention", 4, 12)]),
        ("a@b.example", []),
    ],
)
def test_the_server_finds_links_commands_and_mentions_itself(text: str, entities: list[dict[str, Any]]) -> None:
    assert formatted(text, "").entities == entities


def test_nothing_is_found_inside_code_or_links() -> None:
    body = formatted('<code>https://a.example</code> <a href="https://b.example">/start</a>', "HTML")
    assert [one["type"] for one in body.entities] == ["code", "text_link"]


def test_given_entities_are_checked_and_kept() -> None:
    assert formatted("bold", "", [entity("bold", 0, 4)]).entities == [entity("bold", 0, 4)]
    for wrong in ([entity("bold", 0, 5)], [{"type": "bold", "offset": 0}], ["bold"], {"type": "bold"}):
        with pytest.raises(ApiError, match="can't parse entities"):
            formatted("bold", "", wrong)


def test_markdown_is_refused_in_so_many_words() -> None:
    with pytest.raises(ApiError, match="unsupported parse_mode"):
        formatted("*x*", "MarkdownV2")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60))
def test_any_name_passes_through_a_template_unchanged(name: str) -> None:
    body = formatted(f"<b>-{html.escape(name)}-</b>", "HTML")
    assert body.text == f"-{name}-"
    bold = next(one for one in body.entities if one["type"] == "bold")
    assert (bold["offset"], bold["length"]) == (0, units(body.text))


def test_what_aiogram_writes_back_from_the_entities_means_the_same() -> None:
    source = '<b>one <i>two</i></b> <a href="https://a.example/">three</a> <code>4 &lt; 5</code> 🙂<s>six</s>'
    first = formatted(source, "HTML")
    from_entities = formatted(first.text, "", first.entities)
    assert from_entities == first
    decorated = html_decoration.unparse(first.text, _entities(first.entities))
    assert formatted(decorated, "HTML") == first


def _entities(found: list[dict[str, Any]]) -> list[MessageEntity]:
    return [MessageEntity.model_validate(one) for one in found]
