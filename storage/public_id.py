"""The ids of scans that people see and type: drawn, read, and made of a number."""

import re
import secrets

ALPHABET = "2345679ACDEFGHJKMNPQRTWXY"
"""Digits and capitals that are not taken for one another: 0 O, 1 I L, 8 B, U V are left out, and S and Z (5, 2)."""
PATTERN = r"[0-9A-Z]{4}-[0-9A-Z]{2}"
"""The one form in which ids are kept and shown; wider than what is drawn, since old ids stay valid."""
_LENGTH = 6
_TYPED = re.compile(r"([0-9A-Z]{4})[\s_\-\u2010-\u2015]*([0-9A-Z]{2})", re.ASCII | re.IGNORECASE)


def new_public_id() -> str:
    """Draw an id such as ``A7K2-Q9``; 25^6 = 244 million of them, so two alike are rare and are drawn again."""
    return _shown("".join(secrets.choice(ALPHABET) for _ in range(_LENGTH)))


def public_id_of(number: int) -> str:
    """The same id for the same number (0 or more); numbers far apart may share one."""
    letters = ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        letters += ALPHABET[digit]
    return _shown(letters)


def read_public_id(typed: str) -> str | None:
    """An id as a person types it (``a7k2q9``, ``A7K2 Q9``) in its one form; None for what is none."""
    parts = _TYPED.fullmatch(typed.strip())
    return f"{parts[1]}-{parts[2]}".upper() if parts else None


def _shown(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"
