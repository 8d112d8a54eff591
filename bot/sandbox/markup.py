"""Keyboards under messages: what Telegram accepts, and what it says about the rest."""

from typing import Any

from telegram.constants import InlineKeyboardButtonLimit, InlineKeyboardMarkupLimit

from bot.sandbox.errors import ApiError, bad_request
from bot.sandbox.params import Json, Parameters

_ACTIONS = (
    "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
)  # fmt: skip
_LOOKS = ("text", "style", "icon_custom_emoji_id")
_STYLES = ("danger", "success", "primary")


def reply_markup(parameters: Parameters) -> Json | None:
    """The keyboard of a call as it is kept, or None; raises ApiError 400 in Telegram's words."""
    try:
        markup = parameters.object("reply_markup")
    except ApiError:
        raise bad_request("can't parse reply keyboard markup JSON object") from None
    if not markup:
        return None
    if markup.get("inline_keyboard") is not None:
        rows = [row for row in _rows(markup, "inline_keyboard", " of the InlineKeyboardMarkup") if row]
        if sum(map(len, rows)) > InlineKeyboardMarkupLimit.TOTAL_BUTTON_NUMBER:
            raise bad_request("reply markup is too long")
        return {"inline_keyboard": [[_inline_button(button) for button in row] for row in rows]} if rows else None
    if markup.get("keyboard") is not None:
        rows = _rows(markup, "keyboard")
        return {**markup, "keyboard": [[_reply_button(button) for button in row] for row in rows if row]}
    return markup if markup.get("remove_keyboard") or markup.get("force_reply") else None


def _rows(markup: Json, name: str, of: str = "") -> list[list[Any]]:
    rows = markup[name]
    if not isinstance(rows, list):
        raise bad_request(f'field "{name}" must be of type Array')
    if not all(isinstance(row, list) for row in rows):
        raise bad_request(f'field "{name}"{of} must be an Array of Arrays')
    return rows


def _inline_button(button: Any) -> Json:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    if not text.strip():
        raise bad_request("BUTTON_TEXT_INVALID")
    actions = [name for name in _ACTIONS if button.get(name) is not None]
    if not actions:
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    data = button.get("callback_data")
    if data is not None and not 1 <= len(str(data).encode()) <= InlineKeyboardButtonLimit.MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    url = button.get("url")
    if url is not None and not str(url).startswith(("http://", "https://", "tg://")):
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if button.get("style") not in (None, *_STYLES):
        raise bad_request("can't parse inline keyboard button: invalid button style specified")
    return {name: button[name] for name in (*_LOOKS, *actions[:1]) if button.get(name) is not None}


def _reply_button(button: Any) -> Json:
    if isinstance(button, str):
        return {"text": button}
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise bad_request("can't parse keyboard button: KeyboardButton must be a String or an Object")
    return button
