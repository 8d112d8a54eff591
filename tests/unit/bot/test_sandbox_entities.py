"""Formatting as Telegram reads it."""

import pytest

from bot.sandbox.entities import formatted, utf16
from bot.sandbox.errors import ApiError

FOUND = "see /faq, a@b.org, https://e.org/?a=1. @someone #x"


def read(source: str) -> tuple[str, list[tuple[str, str]]]:
    """The text, and each entity with the words under it (cut by UTF-16 units)."""
    text, entities = formatted(source, "HTML", [])
    units = text.encode("utf-16-le")
    under = [
        (entity["type"], units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le"))
        for entity in entities
    ]
    return text, under


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>Scan 1</b>: done", "Scan 1: done", [("bold", "Scan 1")]),
        ("<strong>a</strong><em>b</em><ins>c</ins><del>d</del>", "abcd",
         [("bold", "a"), ("italic", "b"), ("underline", "c"), ("strikethrough", "d")]),
        ("🧠 <i>brain 🙂</i> x", "🧠 brain 🙂 x", [("italic", "brain 🙂")]),
        ("<b>bold <i>both</i></b>", "bold both", [("bold", "bold both"), ("italic", "both")]),
        ("a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; &copy;", "a <b> & \"c\" 'd' &copy;", []),
        ("<tg-spoiler>s</tg-spoiler><span class='tg-spoiler'>t</span>", "st", [("spoiler", "s"), ("spoiler", "t")]),
        ("<blockquote>q</blockquote><blockquote expandable>r</blockquote>", "qr",
         [("blockquote", "q"), ("expandable_blockquote", "r")]),
        ("<code>x&lt;y</code> <pre>z</pre>", "x<y z", [("code", "x<y"), ("pre", "z")]),
        ("<B>upper</B>", "upper", [("bold", "upper")]),
        ("<b></b>nothing", "nothing", []),
        ("1/2 and &lt;/b&gt; are no commands", "1/2 and </b> are no commands", []),
        ("  <b> room </b>  ", "room", [("bold", "room")]),
        (FOUND, FOUND,
         [("bot_command", "/faq"), ("email", "a@b.org"), ("url", "https://e.org/?a=1"), ("mention", "@someone"),
          ("hashtag", "#x")]),
    ],
)  # fmt: skip
def test_html_becomes_text_with_entities_in_utf16_units(
    source: str, text: str, entities: list[tuple[str, str]]
) -> None:
    assert read(source) == (text, entities)


def test_links_and_languages_keep_their_argument() -> None:
    _, entities = formatted('<a href="https://e.org?a=1&amp;copy=2">x</a>', "HTML", [])
    assert entities == [{"type": "text_link", "offset": 0, "length": 1, "url": "https://e.org/?a=1&copy=2"}]
    _, entities = formatted('<pre><code class="language-python">x = 1</code></pre>', "HTML", [])
    assert entities == [{"type": "pre", "offset": 0, "length": 5, "language": "python"}]
    _, entities = formatted('<a href="javascript:alert(1)">x</a>', "HTML", [])
    assert entities == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<h1>x</h1>", 'Unsupported start tag "h1" at byte offset 0'),
        ("é <scan>", 'Unsupported start tag "scan" at byte offset 3'),
        ("less <more", "Unclosed start tag at byte offset 5"),
        ("a < b > c", 'Unsupported start tag "" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<a href>x</a>", 'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
        ('<a href="x>y', "Unclosed start tag at byte offset 0"),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
    ],
)
def test_what_telegram_cannot_parse_is_refused_in_its_words(source: str, complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        formatted(source, "HTML", [])
    assert refused.value.description == f"Bad Request: can't parse entities: {complaint}"


@pytest.mark.parametrize("mode", ["Markdown", "MarkdownV2", "Latex"])
def test_other_parse_modes_are_refused_openly(mode: str) -> None:
    with pytest.raises(ApiError, match="parse_mode"):
        formatted("*x*", mode, [])


def test_a_length_counts_utf16_units() -> None:
    assert (utf16("ab"), utf16("é"), utf16("🧠")) == (2, 1, 2)
