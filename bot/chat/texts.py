"""Interface texts of one language, from ``languages/<language>/interface.toml``; values are escaped on the way in."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from string import Formatter
from typing import Any, Self, TypeAlias

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, get_datetime_format
from babel.numbers import format_decimal, format_percent

from bot.chat.direction import LEFT_TO_RIGHT
from bot.knowledge.loader import Folder
from bot.knowledge.organs import OrganTexts, load_organs

FILE = "interface.toml"
COUNT = "count"
"""The value that a text's plural forms are chosen by."""
NO_BREAK = "\u00a0"
PLURALS = ("zero", "one", "two", "few", "many", "other")
"""Unicode's plural categories; which of them a language has is in its locale."""
Template: TypeAlias = str | Mapping[str, str]
"""A text, or its plural forms by category."""


class TextError(LookupError):
    """A key is not in the language's file, or a value that its text needs was not given: a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Texts:
    """``texts("status.place", number=2, total=5)`` gives HTML that is safe to send to Telegram.

    ``{organs}`` in a text is filled in by itself: with what one may send.
    """

    language: str
    templates: Mapping[str, Template]
    locale: Locale
    """Unicode's rules for plurals, dates and numbers (CLDR)."""
    organs: Mapping[str, OrganTexts]
    """By name: every organ that this language has words for."""
    served: tuple[str, ...]
    """Names of the organs that the models here read."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What texts of the knowledge say of the models (see ``bot.chat.facts``)."""

    @classmethod
    def load(cls, folder: Folder | None = None, served: tuple[str, ...] | None = None) -> Self:
        """The texts of a language's folder, English ones by default, for the organs that are ``served`` or for all.

        Raises ContentError.
        """
        folder = folder or Folder.read()
        templates = dict(flat(folder.file(FILE)))
        locale = locale_of(folder)
        organs = load_organs(folder, served or ())
        return cls(folder.code, templates, locale, organs, tuple(organs) if served is None else served)

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of ``key`` as Telegram HTML, with every value escaped. Raises TextError."""
        return self._fill(key, values, escape=True)

    def plain(self, key: str, /, **values: object) -> str:
        """The text of ``key`` for places that know no HTML: buttons, the PDF, the command menu. Raises TextError."""
        return self._fill(key, values, escape=False)

    @property
    def pictures(self) -> str:
        """What one may send, such as "a brain MRI slice or a blood smear"."""
        return self.either([self.organs[organ].picture for organ in self.served])

    def either(self, words: Sequence[str]) -> str:
        """Words of a list, such as "glioma, meningioma or pituitary tumour"."""
        *others, last = words
        values = {"others": self.listed(others), "last": last} if others else {}
        return self._fill("list.or", values, escape=False) if others else last

    def listed(self, words: Sequence[str], key: str = "list.comma") -> str:
        """Words one after the other, parted as the language parts them; with "list.semicolon" lists of lists."""
        *others, last = words
        for first in reversed(others):
            last = self._fill(key, {"first": first, "others": last}, escape=False)
        return last

    def __contains__(self, key: object) -> bool:
        return key in self.templates

    def moment(self, when: datetime, utc_offset: int | None = None, *, short: bool = False) -> str:
        """A date and time as this language writes them, on a clock that is ``utc_offset`` minutes ahead of UTC.

        ``short`` is for a narrow place: the month is cut short or a number, as the language does it, and the time
        stands in a second line. Time and zone are never parted by the end of a line.
        """
        there = when.astimezone(timezone(timedelta(minutes=utc_offset or 0)))
        # Figures stay those of the scan numbers and of "UTC", and the clock has 24 hours, in every language.
        time = f"{there:%H:%M}{NO_BREAK}{zone_name(utc_offset or 0)}"
        if short:
            return f"{format_date(there, 'medium', locale=self.locale)}\n{time}"
        day = format_date(there, "long", locale=self.locale)
        return str(get_datetime_format("medium", locale=self.locale)).format(time, day)

    def day(self, when: date) -> str:
        """A day as this language writes it."""
        return format_date(when, "long", locale=self.locale)

    def percent(self, share: float) -> str:
        """A probability without claiming certainty: nothing is 0 % or 100 %."""
        bounded = format_percent(min(max(share, 0.01), 0.99), locale=self.locale)
        sign = "<" if share < 0.01 else ">" if share > 0.99 else ""
        # Or the sign lands behind its number where one reads from the right.
        start = LEFT_TO_RIGHT if sign and self.locale.text_direction == "rtl" else ""
        return f"{start}{sign}{bounded}"

    def _fill(self, key: str, values: Mapping[str, object], *, escape: bool) -> str:
        try:
            template = self.templates[key]
            values = {
                name: self.moment(value) if isinstance(value, datetime) else value for name, value in values.items()
            }
            if isinstance(count := values.get(COUNT), int):
                values = {**values, COUNT: format_decimal(count, locale=self.locale)}
            if not isinstance(template, str):
                form = self.locale.plural_form(count) if isinstance(count, int) else "other"
                template = template.get(form, template["other"])
            if "{organs" in template:
                values = {"organs": self.pictures} | values
            if escape:
                values = {name: html.escape(str(value), quote=False) for name, value in values.items()}
            return template.format_map(values)
        except KeyError as missing:
            raise TextError(f"{key}: {missing} is missing in {self.language}/{FILE} or among the values") from None


def locale_of(folder: Folder) -> Locale:
    """The locale that a language's folder names. Raises ContentError when Unicode knows none of that name."""
    try:
        named = dict(flat({"language": folder.file(FILE).get("language", "")}))
        return Locale.parse(str(named.get("language.locale", "")), sep="-")
    except (ValueError, UnknownLocaleError):
        problem = 'language.locale: write a locale that Unicode knows, such as "de" or "en-GB"'
        raise folder.error(FILE, problem) from None


def zone_name(utc_offset: int) -> str:
    """A clock by its minutes ahead of UTC: "UTC", "UTC+2", "UTC-3:30"."""
    hours, minutes = divmod(abs(utc_offset), 60)
    sign = "-" if utc_offset < 0 else "+"
    return "UTC" if not utc_offset else f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")


def placeholders(template: str) -> frozenset[str]:
    """Names of the values that a template asks for. Raises ValueError for a brace that stands alone."""
    if "{" not in template and "}" not in template:
        return frozenset()
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def is_plural(value: object) -> bool:
    """Whether a value below a key is a table of plural forms."""
    return isinstance(value, Mapping) and "other" in value and set(value) <= set(PLURALS)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Template]]:
    """Keys of nested tables joined by points; plural forms stay together under their key."""
    for name, value in table.items():
        if prefix and is_plural(value):
            yield f"{prefix}{name}", {form: str(text).strip() for form, text in value.items()}
        elif isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value).strip()
