"""Captions below a picture: short enough to be read, and nothing left out for it, in every language."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.chat.languages import Language, load_language
from bot.knowledge.loader import codes
from bot.scan import wording
from bot.scan.messages import MOST_WORDS, count_words, picture_caption
from bot.scan.study_facts import StudyFacts
from inference.analysis import TURNED
from inference.registry import Entry, check_models
from inference.study.study import SetAside
from storage.records import Scan
from tests.unit.bot.scans import ALL_VERDICTS, BRAIN, SIXTEEN, a_scan, cells, shown

MODELS = check_models()[1]
STUDY = StudyFacts("zip", 400, ("T1c axial",), (140, 141), 140, 2, {reason.value: 1234 for reason in SetAside})


@pytest.fixture(scope="module", params=codes())
def language(request: pytest.FixtureRequest) -> Language:
    return load_language(str(request.param), MODELS)


def answers(entry: Entry, verdict: str, label: str, **changes: object) -> Iterator[Scan]:
    """A scan that was told ``verdict``, at scores of all kinds, with few and many answers that fit."""
    names = entry.card.class_names
    for number in range(0, 101, 10):
        probabilities = dict.fromkeys(names, (1 - number / 100) / (len(names) - 1)) | {label: number / 100}
        for fitting in (names, names[:2], names[-2:]):
            scan = a_scan(
                organ=entry.card.organ, verdict=verdict, label=label, probabilities=probabilities,
                prediction_set=fitting, model_sha256=next(iter(entry.card.sha256.values())), number=999,
            )  # fmt: skip
            yield replace(scan, **changes)  # type: ignore[arg-type]


def parts(scan: Scan, language: Language, entry: Entry) -> list[str]:
    """Everything that a caption has to say of a scan."""
    texts, models = language.texts, [entry]
    facts = StudyFacts.told(scan)
    said = [
        wording.result_words(scan, texts),
        wording.next_words(scan, texts),
        wording.brief_words(scan, texts, models),
        wording.cell_words(scan, texts),
        texts.plain("caption.program"),
        scan.public_id,
    ]
    if facts is None:
        return [*said, wording.record_words(scan, texts, models)]
    return [*said, wording.brief_slice_words(facts, texts), wording.brief_set_aside_words(facts, texts)]


@pytest.mark.parametrize("verdict", ALL_VERDICTS)
@pytest.mark.parametrize("organ", MODELS)
def test_sixty_words_hold_all_in_every_language(organ: str, verdict: str, language: Language) -> None:
    entry = MODELS[organ]
    unusual = verdict == "not_sure" and any(c.role == "finding" for c in entry.card.classes)
    kinds = [c.name for c in entry.card.classes if verdict == "not_sure" or c.tumor == (verdict == "tumor_signs")]
    for label in kinds:
        changes: list[dict[str, object]] = [{"cells": SIXTEEN if organ == "blood_smear" else ()}]
        changes += [{"cells": cells(0, 16)}] if organ == "blood_smear" else []
        changes += [change | {"reason": "read_part"} for change in changes]
        changes += [{"reason": "unusual_finding"}] if unusual else []
        changes += [{"study": study.to_json()} for study in (STUDY, replace(STUDY, agreeing=()))]
        for change in changes:
            for scan in answers(entry, verdict, label, **change):
                caption = shown(picture_caption(scan, language.texts, [entry]))
                assert count_words(caption) <= MOST_WORDS, caption
                assert [part for part in parts(scan, language, entry) if part not in caption] == [], caption


@pytest.mark.parametrize("reason", sorted(TURNED))
@pytest.mark.parametrize("verdict", ALL_VERDICTS)
def test_long_caption_tells_of_turning_before_tests(verdict: str, reason: str, language: Language) -> None:
    entry = MODELS["brain_mri"]
    kinds = [c.name for c in entry.card.classes if verdict == "not_sure" or c.tumor == (verdict == "tumor_signs")]
    for label in kinds:
        alone, study = (answers(entry, verdict, label, reason=reason, study=told) for told in (None, STUDY.to_json()))
        for scan in (*alone, *study):
            caption = shown(picture_caption(scan, language.texts, [entry]))
            assert count_words(caption) <= MOST_WORDS, caption
            facts = StudyFacts.told(scan)
            aside = wording.brief_set_aside_words(facts, language.texts) if facts else ""
            least = (wording.record_words(scan, language.texts, [entry]), aside)
            wanted = [wording.turned_words(scan, language.texts), *parts(scan, language, entry)]
            assert [part for part in wanted if part not in caption and part not in least] == [], caption


def test_fitting_finding_is_named_beside_a_fitting_none(language: Language) -> None:
    entry = MODELS["brain_mri"]
    probabilities = dict.fromkeys(entry.card.class_names, 0.0) | BRAIN | {"no_tumor": 0.005}
    scan = a_scan(
        verdict="not_sure", reason="undecided", probabilities=probabilities,
        prediction_set=("glioma", "meningioma", "pituitary", "no_tumor"),
        model_sha256=next(iter(entry.card.sha256.values())),
    )  # fmt: skip
    caption = shown(picture_caption(scan, language.texts, [entry]))
    classes = language.texts.organs["brain_mri"].classes
    assert classes["glioma"].words in caption
    assert classes["no_tumor"].words in caption
