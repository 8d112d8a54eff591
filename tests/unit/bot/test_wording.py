"""A scan in words: in the chat, in the history and in the PDF."""

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import pytest
from telegram.constants import MessageLimit

from bot.chat.languages import load_language
from bot.handlers.history import page_buttons, page_text
from bot.scan import wording
from bot.scan.incoming import MAX_LABEL
from bot.scan.messages import MOST_WORDS, picture_caption, report_caption
from bot.scan.report_data import new_scan, report_data, topic_of
from bot.scan.study_facts import StudyFacts
from inference.analysis import TURNED, Analysis, ModelIdentity, Reason, Verdict
from inference.card import MODELS_DIR, ModelClass, ScoreBin, load_card
from inference.registry import Entry, check_models
from inference.study.study import SetAside
from storage.records import Pictures, Scan, ScanPage
from tests.unit.bot.scans import ALL_VERDICTS, BRAIN, SCANS, SIXTEEN, a_scan, shown

language = load_language()
english, knowledge = language.texts, language.knowledge


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "less than 1 of 100"), (0.004, "less than 1 of 100"), (0.006, "about 1 of 100"),
        (0.934, "about 93 of 100"), (0.994, "about 99 of 100"),
        (0.996, "more than 99 of 100"), (1.0, "more than 99 of 100"),
    ],
)  # fmt: skip
def test_probability_is_said_as_number_out_of_hundred(probability: float, words: str) -> None:
    assert wording.chance_words(probability, english) == words


def test_signs_name_their_kind_and_report_the_score() -> None:
    text = shown(picture_caption(SCANS["signs"], english, ()))
    assert text.startswith("Signs of a tumour found")
    assert "looks most like this: glioma" in text
    assert "of 100" not in text  # a score is not what tests showed: two numbers at once contradict each other
    assert "about 93 of 100" in report_data(SCANS["signs"], Pictures(b"", b""), language, ()).explanation


def test_leukaemia_is_not_said_to_look_most_like_leukaemia() -> None:
    smear = replace(SCANS["smear"], verdict="tumor_signs", probabilities={"leukemia": 0.9, "no_leukemia": 0.1})
    said = shown(picture_caption(smear, english, ()))
    said += report_data(smear, Pictures(b"", b""), language, ()).explanation
    assert "looks most like" not in said


@pytest.mark.parametrize(
    ("kind", "first"),
    [("signs", "Please show this to a doctor soon"), ("none", "This does not rule anything out"), ("unsure", "Try a")],
)
def test_what_to_do_next_is_first_thing_after_result(kind: str, first: str) -> None:
    assert shown(picture_caption(SCANS[kind], english, ())).split("\n\n")[1].startswith(first)


def test_no_signs_are_never_told_as_good_news() -> None:
    text = shown(picture_caption(SCANS["none"], english, ()))
    assert "does not rule anything out" in text
    assert "see a doctor" in text
    assert not re.search(r"\b(safe|healthy|fine|good|worry|clear)\b", text)


def test_not_sure_names_all_possibilities_likeliest_first() -> None:
    text = shown(picture_caption(SCANS["unsure"], english, ()))
    assert text.index("glioma") < text.index("no tumour signs")
    told = report_data(SCANS["unsure"], Pictures(b"", b""), language, ()).explanation
    assert told.index("glioma (about 93 of 100)") < told.index("no tumour signs (about 1 of 100)")


def test_not_sure_never_names_one_answer_alone() -> None:
    text = shown(picture_caption(replace(SCANS["unsure"], prediction_set=("glioma",)), english, ()))
    assert "Several answers fit: glioma, meningioma." in text


@pytest.fixture
def tested_model() -> Entry:
    """A brain model whose card tells what pictures of a score showed: nearly none, half and nearly all."""
    bins = [(0.0, 0.2, 199, 1), (0.2, 0.8, 60, 30), (0.8, 1.0, 499, 490)]
    shipped = load_card(MODELS_DIR / "brain_mri")
    card = shipped.model_copy(
        update={
            "classes": tuple(c for c in shipped.classes if c.name in BRAIN),
            "sha256": {"model.tflite": sha256(b"weights").hexdigest()},
            "reliability": tuple(ScoreBin(low=a, high=b, pictures=n, tumors=k) for a, b, n, k in bins),
        }
    )
    return Entry(MODELS_DIR / "brain_mri", card)


@pytest.mark.parametrize(
    ("no_tumor", "verdict", "words"),
    [
        (0.01, "tumor_signs", "(half had a tumour), about 96 of 100 scored like this had it (93 to 98)"),
        (0.55, "not_sure", "(half had a tumour), about 31 of 100 scored like this had it (22 to 42)"),
        (0.97, "no_tumor_signs", "(half had a tumour), less than 1 of 100 scored like this had it (0 to 2)"),
    ],
)
def test_an_answer_tells_what_such_scores_showed_in_tests(
    tested_model: Entry, no_tumor: float, verdict: str, words: str
) -> None:
    probabilities = dict.fromkeys(tested_model.card.class_names, 0.0) | {"glioma": 1 - no_tumor, "no_tumor": no_tumor}
    own = tested_model.card.sha256["model.tflite"]
    scan = a_scan(verdict=verdict, probabilities=probabilities, model_sha256=own)
    assert words in shown(picture_caption(scan, english, [tested_model]))
    assert words in report_data(scan, Pictures(b"", b""), language, [tested_model]).explanation
    assert "In tests" not in picture_caption(replace(scan, model_sha256="c" * 64), english, [tested_model])


STUDY = StudyFacts("zip", 400, ("T1c axial",), (140, 141), 140, 2, {reason.value: 1234 for reason in SetAside})


def words(text: str) -> int:
    return len([word for word in text.split() if re.search(r"\w", word)])


@pytest.mark.parametrize("study", [None, STUDY, replace(STUDY, agreeing=())], ids=["picture", "study", "lone slice"])
@pytest.mark.parametrize("reason", ["read", "read_part", "undecided", "unusual_finding", *sorted(TURNED)])
@pytest.mark.parametrize("verdict", ALL_VERDICTS)
def test_caption_keeps_sixty_words_and_telegrams_limit(verdict: str, reason: str, study: StudyFacts | None) -> None:
    for organ, entry in check_models()[1].items():
        names = entry.card.class_names
        for label in names:
            for number in range(0, 101, 4):
                probabilities = dict.fromkeys(names, (1 - number / 100) / (len(names) - 1)) | {label: number / 100}
                scan = a_scan(
                    organ=organ, verdict=verdict, reason=reason, label=label, probabilities=probabilities,
                    prediction_set=names, patient_label="W" * MAX_LABEL, number=999_999,
                    model_sha256=next(iter(entry.card.sha256.values())), study=study.to_json() if study else None,
                    cells=() if study or organ != "blood_smear" else SIXTEEN,
                )  # fmt: skip
                caption = shown(picture_caption(scan, english, [entry]))
                assert words(caption) - len(["Label:", "WWW"]) <= MOST_WORDS, caption
                assert len(caption) <= MessageLimit.CAPTION_LENGTH


def test_every_caption_with_room_tells_what_tests_showed(tested_model: Entry) -> None:
    scan = a_scan(model_sha256=tested_model.card.sha256["model.tflite"])
    for verdict in ALL_VERDICTS:
        assert "In tests" in picture_caption(replace(scan, verdict=verdict), english, [tested_model])


def test_something_unusual_is_told_as_neither_tumour_nor_none() -> None:
    scan = a_scan(verdict="not_sure", reason="unusual_finding", label="other_finding")
    text = shown(picture_caption(scan, english, ()))
    assert "Something unusual is there, but not of a kind that I know." in text
    assert "glioma" not in text
    told = report_data(scan, Pictures(b"", b""), language, ()).explanation
    assert "something unusual in this picture that is not one of the kinds that I know" in told


def test_signs_of_an_unknown_kind_name_no_kind(tested_model: Entry) -> None:
    kind = ModelClass(name="tumor_other", words="tumour of another kind", role="tumor", unknown_kind=True)
    classes = (*(c for c in tested_model.card.classes if c.name in BRAIN), kind)
    model = replace(tested_model, card=tested_model.card.model_copy(update={"classes": classes}))
    sha256 = model.card.sha256["model.tflite"]
    scan = a_scan(label="tumor_other", probabilities=BRAIN | {"tumor_other": 0.9}, model_sha256=sha256)
    told = report_data(scan, Pictures(b"", b""), language, [model]).explanation
    caption = shown(picture_caption(scan, english, [model]))
    assert "I can't tell which kind." in caption
    assert "Which kind it would be, I can't tell." in told
    for text in (caption, told):
        assert "ooks most like" not in text


@pytest.mark.parametrize("kind", SCANS)
def test_every_caption_introduces_itself_and_report_names_model(kind: str) -> None:
    text = shown(picture_caption(SCANS[kind], english, ()))
    for part in ("I am a program and can be wrong", "Not a diagnosis", "doctor", "A7K2-Q9"):
        assert part in text
    assert "2026.11" not in text
    assert report_data(SCANS[kind], Pictures(b"", b""), language, ()).provenance.model_version == "2026.11"


@pytest.mark.parametrize("kind", SCANS)
def test_every_caption_with_longest_label_fits_telegrams_limit(kind: str) -> None:
    scan = replace(SCANS[kind], patient_label="W" * MAX_LABEL, number=999_999, prediction_set=tuple(BRAIN))
    scan = scan if kind != "unsure" else replace(scan, probabilities=BRAIN)
    assert len(shown(picture_caption(scan, english, ()))) <= MessageLimit.CAPTION_LENGTH
    assert len(shown(report_caption(scan, english))) <= MessageLimit.CAPTION_LENGTH


def test_a_hostile_label_is_shown_as_it_was_typed() -> None:
    label = "<b>&lt;{finding}</b><a href='x'>"
    scan = replace(SCANS["signs"], patient_label=label)
    assert label in shown(picture_caption(scan, english, ()))
    assert label in shown(page_text(ScanPage((scan,), 1, 1, 1), english))
    assert report_data(scan, Pictures(b"", b""), language, ()).patient_label == label


def test_file_tip_comes_once_and_only_for_photos() -> None:
    told = [
        "as a file" in report_caption(a_scan(number=number, received_as=received_as), english)
        for number, received_as in [(1, "photo"), (2, "photo"), (1, "document")]
    ]
    assert told == [True, False, False]


def test_organ_without_own_words_is_called_by_name() -> None:
    scan = SCANS["another organ"]
    assert wording.organ_words(scan.organ, english) == "skin"
    assert wording.label_words("skin", "spindle_cell", english) == "spindle cell"
    assert wording.result_words(scan, english) == "Signs of a tumour found"
    assert topic_of(scan, english, knowledge) is None


@pytest.mark.parametrize(
    ("kind", "title"),
    [("signs", "Glioma"), ("none", "No tumour signs in a brain picture"), ("unsure", "Brain tumours in general")],
)
def test_scan_is_explained_by_its_results_topic(kind: str, title: str) -> None:
    topic = topic_of(SCANS[kind], english, knowledge)
    assert topic is not None
    assert topic.title == title


@pytest.mark.parametrize("kind", ["signs", "none", "unsure", "smear"])
def test_a_report_holds_everything_that_its_reader_needs(kind: str) -> None:
    scan = SCANS[kind]
    data = report_data(scan, Pictures(b"original", b"overlay"), language, ())
    assert (data.public_id, data.number, data.created_at) == (scan.public_id, scan.number, scan.created_at)
    assert [bar.probability for bar in data.bars] == sorted(scan.probabilities.values(), reverse=True)
    assert {bar.highlighted for bar in data.bars} == {True, False} or kind in {"none", "smear"}
    assert data.seek_help
    assert data.sources
    assert len(data.limits) == 4
    assert not any("•" in line or "<" in line for line in (*data.seek_help, *data.limits, data.explanation))
    assert "640 × 480" in data.provenance.picture_words
    assert (data.original, data.overlay) == (b"original", b"overlay")


def an_analysis(**changes: object) -> Analysis:
    analysis = Analysis(
        organ="brain_mri", verdict=Verdict.TUMOR_SIGNS, reason=Reason.READ, label="glioma", confidence=0.93,
        probabilities=BRAIN, prediction_set=("glioma",), withheld={},
        gate={"brain_mri": 0.98, "blood_smear": 0.01, "other": 0.01},
        model=ModelIdentity("brain_mri", "2026.11", "a" * 64), picture_sha256="b" * 64, width=640, height=480,
        shown=b"shown", overlay=b"overlay", heatmap=b"heat",
    )  # fmt: skip
    return replace(analysis, **changes)  # type: ignore[arg-type]


def kept(analysis: Analysis) -> Mapping[str, object]:
    new = new_scan(analysis, source_key="1:a", patient_label="Anna", received_as="photo")
    return {name: getattr(new, name) for name in new.__dataclass_fields__}


def test_part_alone_is_said_in_caption_history_and_report() -> None:
    def said(scan: Scan) -> tuple[str, ...]:
        history = shown(page_text(ScanPage((scan,), 1, 1, 1), english))
        report = report_data(scan, Pictures(b"", b""), language, ()).verdict_words
        return shown(picture_caption(scan, english, ())), history, report

    for scan in SCANS.values():
        assert not any("this part" in text for text in said(scan))
        assert all("this part" in text for text in said(replace(scan, reason=Reason.READ_PART)))


@pytest.mark.parametrize("reason", [Reason.READ, *sorted(TURNED)])
def test_caption_and_report_tell_of_a_turned_picture(reason: Reason) -> None:
    for scan in SCANS.values():
        turned = replace(scan, reason=reason)
        report = report_data(turned, Pictures(b"", b""), language, ()).explanation
        for text in (shown(picture_caption(turned, english, ())), report):
            assert ("turned the picture upright" in text) == (reason is not Reason.READ)
        assert ("this part" in shown(picture_caption(turned, english, ()))) == (reason is Reason.PART_TURNED)


def test_that_slices_were_turned_is_said_once() -> None:
    for reason, times in ((Reason.READ, 0), (Reason.READ_TURNED, 1)):
        scan = replace(SCANS["signs"], reason=reason, study=STUDY.to_json())
        report = report_data(scan, Pictures(b"", b""), language, ()).explanation
        for text in (shown(picture_caption(scan, english, ())), report):
            assert text.count("I turned the slices upright first.") == times
            assert "turned the picture" not in text


def test_an_analysis_is_kept_with_plain_values() -> None:
    values = kept(an_analysis())
    assert values["gate"] == {"brain_mri": 0.98, "blood_smear": 0.01, "other": 0.01}
    assert type(values["organ"]) is type(values["verdict"]) is type(values["reason"]) is str
    assert values["pictures"] == Pictures(b"shown", b"overlay")


def test_an_undecided_analysis_is_kept_under_its_likeliest_class() -> None:
    values = kept(an_analysis(verdict=Verdict.NOT_SURE, label=None, confidence=None, gate=None))
    assert (values["label"], values["confidence"], values["gate"]) == ("glioma", 0.93, {})


def test_nothing_is_kept_of_a_refused_picture() -> None:
    with pytest.raises(ValueError, match="not_a_scan"):
        kept(an_analysis(organ=None, model=None, overlay=None, reason=Reason.NOT_A_SCAN))


def test_history_page_fits_and_opens_scans_and_neighbours() -> None:
    scans = tuple(a_scan(number=n, patient_label="W" * MAX_LABEL, public_id=f"A7K2-Q{n}") for n in (9, 7, 6, 4, 3))
    page = ScanPage(scans, 2, 3, 12)
    assert len(shown(page_text(page, english))) <= MessageLimit.MAX_TEXT_LENGTH
    markup = page_buttons(page, english)
    assert markup is not None
    data = [button.callback_data for row in markup.inline_keyboard for button in row]
    assert data == [f"open:A7K2-Q{n}" for n in (9, 7, 6, 4, 3)] + [
        "history:1",
        "history:3",
        "thumbnails:2",
        "table",
        "clock",
    ]


def test_an_empty_history_says_what_to_do() -> None:
    page = ScanPage((), 1, 1, 0)
    assert "/scan" in page_text(page, english)
    assert page_buttons(page, english) is None
