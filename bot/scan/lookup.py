"""Which of their scans a person means by what they type: its number, its id, or its label."""

import re

from bot.chat.context import BotContext
from bot.scan.incoming import MAX_LABEL, clean_line
from storage.records import Scan

_NUMBER = re.compile(r"#?([0-9]{1,9})", re.ASCII)


async def find_scan(context: BotContext, typed: str, *, by_label: bool = True) -> Scan | None:
    """This person's scan by its number, by its id as people type it (``3``, ``A7K2-Q9``, ``a7k2 q9``), or by its label.

    Of several with one label the newest.
    """
    typed, scans, person = typed.strip(), context.database.scans, context.person.id
    scan = None
    if number := _NUMBER.fullmatch(typed):
        scan = await scans.by_number(person, int(number[1]))
    scan = scan or await scans.get(person, typed)
    if scan is None and by_label and (label := clean_line(typed, MAX_LABEL)):
        scan = await scans.labelled(person, label)
    return scan
