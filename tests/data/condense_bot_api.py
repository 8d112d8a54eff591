"""Condense the public Bot API description into ``bot_api.json``: the types that the sandbox answers with.

Takes the folder of the npm package ``@gramio/types`` (MIT), whose declarations are generated from Telegram's own
documentation: ``npm pack @gramio/types && tar xzf gramio-types-*.tgz``, then
``python -m tests.data.condense_bot_api package/out``.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = """
Update User Chat ChatFullInfo AcceptedGiftTypes Message MessageId InaccessibleMessage MaybeInaccessibleMessage
MessageEntity PhotoSize Document Sticker Voice Video Location Contact Dice File UserProfilePhotos CallbackQuery
InlineKeyboardMarkup InlineKeyboardButton CopyTextButton BotCommand BotName BotDescription BotShortDescription
WebhookInfo ResponseParameters MenuButton MenuButtonCommands MenuButtonDefault MenuButtonWebApp WebAppInfo
ReactionType ReactionTypeEmoji MessageReactionUpdated MessageOrigin MessageOriginUser ChatMember ChatMemberMember
ChatMemberBanned ChatMemberUpdated
"""
_FIELD = re.compile(r"^    (\w+)(\??):((?:[^\n]|\n(?!    \w+\??:|\}|    /\*\*))+)", re.MULTILINE)
_PRIMITIVES = {"string": "String", "number": "Number", "boolean": "Boolean", "true": "True"}


def plain(kind: str) -> str:
    """``TelegramPhotoSize[]`` as ``Array of PhotoSize``."""
    kind = kind.replace('Exclude<keyof TelegramUpdate, "update_id">', "string")
    kind = re.sub(r"\| \{ toJSON\(\): \w+ \}", "", kind)
    kind = kind.strip(" |\n").removeprefix("Objects.").removeprefix("Telegram")
    if kind.endswith("[]"):
        return f"Array of {plain(kind[:-2].strip('()'))}"
    if kind.startswith('"'):
        return "|".join(part.strip() for part in kind.split("|"))
    return " or ".join(_PRIMITIVES.get(part.strip(), part.strip()) for part in kind.split("|") if part.strip())


def main() -> None:
    """Read the declarations, write the description."""
    folder = Path(sys.argv[1])
    source = re.sub(r"/\*\*.*?\*/", "", (folder / "objects.d.ts").read_text("utf-8"), flags=re.DOTALL)
    methods = (folder / "methods.d.ts").read_text("utf-8")
    version = re.search(r"Based on Bot API v(\S+)", methods)
    package = json.loads((folder.parent / "package.json").read_text("utf-8"))["version"]
    unions = {
        name: [part.strip().removeprefix("Telegram") for part in body.split("|") if part.strip()]
        for name, body in re.findall(r"export type Telegram(\w+) =((?:\n *\| [^\n]+)+|[^\n]+)", source)
    }
    types = {}
    for name in KEPT.split():
        body = re.search(rf"export interface Telegram{name} \{{\n(.*?)\n\}}", source, re.DOTALL)
        if body is not None:
            fields = _FIELD.findall(re.sub(r"\n\s*\n", "\n", body[1] + "\n"))
            types[name] = {field + optional: plain(kind) for field, optional, kind in fields}
    used = {word for fields in types.values() for kind in fields.values() for word in re.findall(r"\w+", kind)}
    calls = re.sub(r"/\*\*.*?\*/", "", methods, flags=re.DOTALL)
    returns = re.findall(r"^    (\w+): CallAPI\w*<(.*?)>$", calls, re.DOTALL | re.MULTILINE)
    description = {
        "version": version[1] if version else "",
        "source": f"npm package @gramio/types {package} (MIT), generated from Telegram's documentation",
        "types": types,
        "unions": {name: parts for name, parts in unions.items() if name in used or name in KEPT.split()},
        "methods": {name: plain(body.rpartition(",")[2]) for name, body in returns},
    }
    (HERE / "bot_api.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
