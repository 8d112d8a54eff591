"""What people agree to does not change behind their backs."""

import hashlib

from bot.chat.context import CONSENT_VERSION
from bot.chat.texts import Texts

AGREED_TO = {1: "6c49f54a6981e943"}
"""Fingerprints of the English question, by version.

Whoever changes what it means raises CONSENT_VERSION and adds a line: everybody is then asked again. Whoever only words
it better puts the new fingerprint in place of the last one.
"""


def test_the_question_is_the_one_of_its_version() -> None:
    asked = hashlib.sha256(Texts.load()("consent.ask").encode()).hexdigest()
    assert max(AGREED_TO) == CONSENT_VERSION
    assert AGREED_TO[CONSENT_VERSION] == asked[:16]
