"""Formatting of message texts: HTML parse mode, explicit entities, and what Telegram finds by itself."""

import html
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from telegram.constants import MessageEntityType

from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.params import Json

_KINDS = {
    "b": MessageEntityType.BOLD, "strong": MessageEntityType.BOLD,
    "i": MessageEntityType.ITALIC, "em": MessageEntityType.ITALIC,
    "u": MessageEntityType.UNDERLINE, "ins": MessageEntityType.UNDERLINE,
    "s": MessageEntityType.STRIKETHROUGH, "strike": MessageEntityType.STRIKETHROUGH,
    "del": MessageEntityType.STRIKETHROUGH,
    "tg-spoiler": MessageEntityType.SPOILER, "span": MessageEntityType.SPOILER,
    "tg-emoji": MessageEntityType.CUSTOM_EMOJI, "a": MessageEntityType.TEXT_LINK,
    "pre": MessageEntityType.PRE, "code": MessageEntityType.CODE, "blockquote": MessageEntityType.BLOCKQUOTE,
}  # fmt: skip
_ENTITY_TYPES = frozenset(kind.value for kind in MessageEntityType)
_REFERENCE = re.compile(r"&(lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});?")
_SPACE = " \t\r\n\0\v"
_FOUND = re.compile(
    r"(?P<url>https?://[^\s<>\"]*[^\s<>\".,!?;:)'\]])"
    r"|(?P<email>\b[\w.+-]+@[\w-]+\.[\w.-]*\w)"
    r"|(?<![\w/<>])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z]\w{2,31})?)(?![\w/<>])"
    r"|(?<![\w@])(?P<mention>@[A-Za-z]\w{3,31})\b"
    r"|(?<!\w)(?P<hashtag>#\w*[^\W\d]\w*)"
)


def _decoded(text: str) -> str:
    """Only the references that Telegram knows: in an address, ``&copy=1`` is no copyright sign."""
    return _REFERENCE.sub(lambda match: html.unescape(f"&{match[1]};"), text)


def utf16(text: str) -> int:
    """The length of ``text`` in UTF-16 code units: what offsets and limits of Telegram count."""
    return len(text) + sum(character > "\uffff" for character in text)


@dataclass(slots=True)
class _Open:
    tag: str
    argument: str
    offset: int
    start: int


class _HtmlParser:
    """One pass over the bytes of the text: positions in error messages are byte offsets, as in Telegram's."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.out: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.found: list[Json] = []

    def parse(self) -> tuple[str, list[Json]]:
        while self.position < len(self.source):
            character = self.source[self.position]
            if character == "<":
                begin = self.position
                if self.source.startswith("</", begin):
                    self._end_tag(begin)
                else:
                    self._start_tag(begin)
            elif character == "&" and (match := _REFERENCE.match(self.source, self.position)):
                self._emit(_decoded(match[0]))
                self.position = match.end()
            else:
                self._emit(character)
                self.position += 1
        if self.open:
            raise self._error(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        order = sorted(self.found, key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.out), order

    def _emit(self, text: str) -> None:
        self.out.append(text)
        self.length += utf16(text)

    def _error(self, text: str, at: int | None = None) -> ApiError:
        place = "" if at is None else f" at byte offset {len(self.source[:at].encode())}"
        return bad_request(f"can't parse entities: {text}{place}")

    def _until(self, stop: str) -> str:
        begin = self.position
        while self.position < len(self.source) and self.source[self.position] not in stop:
            self.position += 1
        return self.source[begin : self.position]

    def _skip_space(self) -> None:
        while self.position < len(self.source) and self.source[self.position] in _SPACE:
            self.position += 1

    def _peek(self) -> str:
        return self.source[self.position : self.position + 1]

    def _start_tag(self, begin: int) -> None:
        self.position += 1
        tag = self._until(_SPACE + ">").lower()
        if not self._peek():
            raise self._error("Unclosed start tag", begin)
        if tag not in _KINDS:
            raise self._error(f'Unsupported start tag "{tag}"', begin)
        argument = ""
        while True:
            self._skip_space()
            if self._peek() == ">":
                break
            name, value = self._attribute(tag, begin)
            argument = self._argument(tag, name, value) or argument
        self.position += 1
        if tag == "span" and argument != "spoiler":
            raise self._error('Tag "span" must have class "tg-spoiler"', begin)
        self.open.append(_Open(tag, argument, self.length, len(self.out)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str]:
        name = self._until(_SPACE + "=>")
        if not name:
            raise self._error(f'Empty attribute name in the tag "{tag}"', begin)
        self._skip_space()
        if tag == "blockquote" and name == "expandable" and self._peek() != "=":
            return name, ""
        if self._peek() != "=":
            raise self._error(f'Expected equal sign in declaration of an attribute of the tag "{tag}"', begin)
        self.position += 1
        self._skip_space()
        if not self._peek():
            raise self._error(f'Unclosed start tag "{tag}"', begin)
        if self._peek() in "'\"":
            quote = self._peek()
            self.position += 1
            value = _decoded(self._until(quote))
            self.position += 1
        else:
            token = self.position
            value = self._until(_SPACE + ">").lower()
            if not re.fullmatch(r"[a-z0-9.-]*", value):
                raise self._error("Unexpected end of name token", token)
        if not self._peek():
            raise self._error("Unclosed start tag", begin)
        return name, value

    @staticmethod
    def _argument(tag: str, name: str, value: str) -> str:
        match tag, name:
            case ("a", "href") | ("tg-emoji", "emoji-id"):
                return value
            case ("code", "class") if value.startswith("language-"):
                return value.removeprefix("language-")
            case ("span", "class") if value.startswith("tg-"):
                return value.removeprefix("tg-")
            case ("blockquote", "expandable"):
                return "expandable"
        return ""

    def _end_tag(self, begin: int) -> None:
        if not self.open:
            raise self._error("Unexpected end tag", begin)
        self.position += 2
        tag = self._until(_SPACE + ">").lower()
        self._skip_space()
        if self._peek() != ">":
            raise self._error("Unclosed end tag", begin)
        opened = self.open[-1]
        if tag and tag != opened.tag:
            place = len(self.source[:begin].encode())
            raise self._error(f'Unmatched end tag at byte offset {place}, expected "</{opened.tag}>", found "</{tag}>"')
        self.position += 1
        self.open.pop()
        if self.length > opened.offset:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        entity: Json = {"type": _KINDS[opened.tag], "offset": opened.offset, "length": self.length - opened.offset}
        last = self.found[-1] if self.found else {}
        same_place = last.get("offset") == entity["offset"] and last.get("length") == entity["length"]
        match opened.tag:
            case "pre" if same_place and last.get("type") == MessageEntityType.CODE and "language" in last:
                last["type"] = MessageEntityType.PRE
                return
            case "code" if same_place and last.get("type") == MessageEntityType.PRE and opened.argument:
                last["language"] = opened.argument
                return
            case "code" if opened.argument:
                entity["language"] = opened.argument
            case "a":
                entity["url"] = _checked_link(opened.argument or "".join(self.out[opened.start :]))
                if not entity["url"]:
                    return
            case "tg-emoji":
                if not opened.argument.isdigit() or int(opened.argument) == 0:
                    raise self._error("Invalid custom emoji identifier specified")
                entity["custom_emoji_id"] = opened.argument
            case "blockquote" if opened.argument:
                entity["type"] = MessageEntityType.EXPANDABLE_BLOCKQUOTE
        self.found.append(entity)


def _checked_link(url: str) -> str:
    """The address as Telegram keeps it, or nothing when it is not one: then the words stay without a link."""
    if re.match(r"(?i)(https?|tg|ton)://\S+\Z", url):
        parts = urlsplit(url)
        return url if parts.path else parts._replace(path="/").geturl()
    return f"http://{url}/" if re.fullmatch(r"[\w-]+(\.[\w-]+)+", url) else ""


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Text without tags, and its entities in UTF-16 units; raises ApiError 400 on what Telegram can't parse."""
    text, entities = _HtmlParser(source).parse()
    for entity in entities:
        if entity["type"] == MessageEntityType.CODE:
            entity.pop("language", None)
    return text, entities


def found_in(text: str, taken: list[Json]) -> list[Json]:
    """Commands, addresses, mentions and hashtags that Telegram marks by itself, outside the ``taken`` entities."""
    found = []
    for match in _FOUND.finditer(text):
        kind = str(match.lastgroup)
        offset, length = utf16(text[: match.start()]), utf16(match[0])
        if all(offset + length <= other["offset"] or other["offset"] + other["length"] <= offset for other in taken):
            found.append({"type": kind, "offset": offset, "length": length})
    return found


def formatted(source: str, parse_mode: str, explicit: list[Json]) -> tuple[str, list[Json]]:
    """Text and entities of what the bot sends; raises ApiError 400 for a parse mode that is not offered here."""
    text, entities = source, [_checked(entity) for entity in explicit]
    match parse_mode.lower():
        case "":
            pass
        case "html":
            text, entities = parse_html(source)
        case "markdown" | "markdownv2":
            raise bad_request(f"the sandbox reads parse_mode HTML only, not {parse_mode}")
        case _:
            raise bad_request("unsupported parse_mode")
    text, entities = _trimmed(text.replace("\r", ""), entities)
    return text, sorted(entities + found_in(text, entities), key=lambda entity: (entity["offset"], -entity["length"]))


def _checked(entity: Json) -> Json:
    for name, kind in (("type", str), ("offset", int), ("length", int)):
        if not isinstance(entity.get(name), kind):
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    if entity["type"] not in _ENTITY_TYPES:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    return entity


def _trimmed(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    """Without white space around; entities moved and cut along with it."""
    kept = text.strip()
    cut = utf16(text[: len(text) - len(text.lstrip())])
    end = utf16(kept)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - cut, 0)
        stop = min(entity["offset"] + entity["length"] - cut, end)
        if stop > start:
            moved.append({**entity, "offset": start, "length": stop - start})
    return kept, moved
