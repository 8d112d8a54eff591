"""What a language lacks beside the default one: missing files and keys, wrong values to fill in, wrong plural forms."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from babel import Locale
from telegram.constants import MessageLimit

from bot.chat.texts import COUNT, PLURALS, Texts, is_plural, placeholders
from bot.knowledge.loader import SOURCES, Folder

OWN_RULES = frozenset({"capitals", "rewrites", "contractions", "spelling", "endings", "synonyms"})
"""Tables of ``words.toml`` that say how one language is written; another one has others."""
FACTS = frozenset({"order", "topic", "illness", "hidden", "always", "does"})
"""Values that are no words: they stay as they are."""
MAY_DIFFER = frozenset({"sources", "aside", "phrasings", "names", "asking", "denials_after", "subjects"})
"""Lists that a language may have or lack for itself."""
NAMED_BY = ("slug", "key")
"""What tells the tables of a list apart; their order has a meaning too."""
_EXAMPLES = 200
"""A language's whole numbers follow their plural rule within this many."""
_TAG = re.compile(r"<(/?)([a-z]+)[^>]*>")
_COMMAND_WORDS = 256
"""Characters that Telegram shows of what a command does."""


def shortcomings(folder: Folder, reference: Folder) -> Iterator[str]:
    """One line for everything in ``folder`` that is not as it should be beside ``reference``, the worst first."""
    missing = [name for name in reference.tables if name not in folder.tables and not name.endswith(SOURCES)]
    for name in missing:
        yield f"{folder.place(name)}: the file is missing: copy it from {reference.code}/ and translate it"
    texts = Texts.load(folder) if "interface.toml" in folder.tables else None
    for name, table in folder.tables.items():
        if name not in reference.tables:
            yield f"{folder.place(name)}: {reference.code}/ has no such file: remove it, or rename it"
        elif texts is not None and not name.endswith(SOURCES):
            for problem in _differences(table, reference.tables[name], "", texts.locale):
                yield f"{folder.place(name)}: {problem}"
    if texts is not None:
        yield from (f"{folder.code}/interface.toml: {problem}" for problem in _too_long(texts))


def _differences(own: Mapping[str, Any], model: Mapping[str, Any], path: str, locale: Locale) -> Iterator[str]:
    for key in dict.fromkeys((*model, *own)):
        place = f"{path}.{key}" if path else key
        if key not in own:
            if key not in MAY_DIFFER:
                yield f"{place} is missing"
        elif key not in model:
            if key not in MAY_DIFFER:
                yield f"{place} is not a key of this file: mistyped, or no longer used"
        elif key not in OWN_RULES or path:
            yield from _difference(own[key], model[key], key, place, locale)


def _difference(own: Any, model: Any, key: str, place: str, locale: Locale) -> Iterator[str]:
    if key in FACTS:
        if own != model:
            yield f"{place} must stay {model!r}"
    elif isinstance(model, str) or (is_plural(model) and "." in place):
        if isinstance(own, Mapping):
            yield from _plural(own, model, place, locale)
            return
        if not isinstance(own, str) or not own.strip():
            yield f"{place} must be a text"
        else:
            yield from _filled(own, _values(model), _tags(model), place, required=_values(model))
    elif isinstance(model, Mapping):
        if isinstance(own, Mapping):
            yield from _differences(own, model, place, locale)
        else:
            yield f"{place} must be a table"
    elif isinstance(model, list):
        yield from _lists(own, model, key, place, locale)
    elif type(own) is not type(model):
        yield f"{place} must be a {type(model).__name__}"


def _lists(own: Any, model: Sequence[Any], key: str, place: str, locale: Locale) -> Iterator[str]:
    if not isinstance(own, list) or (model and not own and key not in MAY_DIFFER):
        yield f"{place} must be a list with something in it"
        return
    if not model or not isinstance(model[0], Mapping):
        values = _values_of_list(model)
        for number, text in enumerate(own, 1):
            if values and (not isinstance(text, str) or "{}" not in text):
                yield f"{place}, entry {number}: {{}} is missing"
        return
    name = next(name for name in NAMED_BY if name in model[0])
    mine = {str(table.get(name)): table for table in own if isinstance(table, Mapping)}
    wanted = [str(table[name]) for table in model]
    if missing := [one for one in wanted if one not in mine]:
        yield f'{place}: the one with {name} = "{missing[0]}" is missing'
    elif list(mine) != wanted or len(own) != len(wanted):
        yield f"{place}: there must be {len(wanted)} in this order: {', '.join(wanted)}"
    for table in model:
        if str(table[name]) in mine:
            yield from _differences(mine[str(table[name])], table, f"{place}.{table[name]}", locale)


def _values_of_list(model: Sequence[Any]) -> bool:
    return bool(model) and all(isinstance(text, str) and "{}" in text for text in model)


def _plural(own: Mapping[str, Any], model: Any, place: str, locale: Locale) -> Iterator[str]:
    """Plural forms: those that the language has, no others, and each with the values that it needs."""
    wanted = _plural_forms(locale)
    known = set(locale.plural_form.tags) | {"other"}
    values, name = _values(model), locale.get_language_name("en")
    if COUNT not in values:
        yield f"{place} must be one text: it holds no {{{COUNT}}}, so it has no plural forms"
        return
    if strange := [form for form in own if form not in known]:
        yield f'{place}: "{strange[0]}" is no plural form of {name}: use {_listed(wanted)}'
    if missing := [form for form in PLURALS if form in wanted | {"other"} and form not in own]:
        yield f'{place}: the plural form "{missing[0]}" is missing: {name} has {_listed(wanted | {"other"})}'
    for form, text in own.items():
        if not isinstance(text, str) or not text.strip():
            yield f"{place}.{form} must be a text"
        else:
            yield from _filled(text, values, _tags(model), f"{place}.{form}", required=values - {COUNT})


@cache
def _plural_forms(locale: Locale) -> frozenset[str]:
    return frozenset(locale.plural_form(number) for number in range(_EXAMPLES))


def _filled(
    text: str, known: frozenset[str], tags: frozenset[str], place: str, required: frozenset[str]
) -> Iterator[str]:
    """Values to fill in and markup: those of the model, and no others."""
    try:
        found = placeholders(text)
    except ValueError:
        yield f"{place}: a brace stands alone"
        return
    if missing := sorted(required - found):
        yield f"{place}: {{{missing[0]}}} is missing"
    if strange := sorted(found - known):
        yield f"{place}: {{{strange[0]}}} can't be filled in here" + (f": use {_listed(known)}" if known else "")
    marks = _TAG.findall(text) if "<" in text else ()
    opened: list[str] = []
    for slash, name in marks:
        if not slash:
            opened.append(name)
        elif not opened or opened.pop() != name:
            opened = ["?"]
            break
    if opened or {name for _, name in marks} - tags:
        yield f"{place}: markup that is not as in the original: {_listed(tags) if tags else 'there is none there'}"


def _too_long(texts: Texts) -> Iterator[str]:
    for key, template in texts.templates.items():
        limit = _COMMAND_WORDS if key.startswith("command.") else MessageLimit.MAX_TEXT_LENGTH
        for text in (template,) if isinstance(template, str) else template.values():
            if len(text) > limit:
                yield f"{key} is {len(text)} characters long: Telegram takes {limit:d}"


def _texts(model: Any) -> list[str]:
    return [model] if isinstance(model, str) else list(model.values())


def _values(model: Any) -> frozenset[str]:
    return frozenset().union(*map(_values_of, _texts(model)))


def _tags(model: Any) -> frozenset[str]:
    return frozenset().union(*map(_tags_of, _texts(model)))


# Those of the default language are asked for once for every other one.


@cache
def _values_of(text: str) -> frozenset[str]:
    return placeholders(text)


@cache
def _tags_of(text: str) -> frozenset[str]:
    return frozenset(name for _, name in _TAG.findall(text)) if "<" in text else frozenset()


def _listed(names: Sequence[str] | set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names, key=lambda name: (PLURALS.index(name) if name in PLURALS else -1, name)))
