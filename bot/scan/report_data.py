"""From an analysis to what is kept and to what the PDF shows; also used by the offline command."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Literal

from babel import Locale

from bot.chat.languages import Language
from bot.chat.texts import Texts
from bot.knowledge.knowledge import Knowledge, Topic
from bot.scan import wording
from bot.scan.cell_facts import kept_cells
from bot.scan.strength import strength_words
from bot.scan.study_facts import StudyFacts
from bot.scan.track_record import card_of
from inference.analysis import Analysis, Verdict
from inference.registry import Entry
from reports.data import Bar, ContactSheet, Provenance, ReportData, Sides, Source, Verification
from reports.seal import Sealer
from storage.records import KeptSlice, NewScan, Pictures, Scan

LIMITS = ("report.limit_program", "report.limit_slice", "report.limit_kinds", "report.limit_score")
STUDY_LIMITS = ("report.limit_program", "study.limit_slice", "report.limit_kinds", "report.limit_score")


LETTER = frozenset({"BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"})
"""Countries that print on US Letter (CLDR's paperSize)."""
VERIFY_START = "verify-"
"""What /start is given by the square code of a report, before its code."""
Paper = Literal["a4", "letter"]


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who makes a report: with which keys it is sealed, where one can ask about it, on what it is printed."""

    sealer: Sealer = field(default_factory=Sealer)
    username: str = ""
    """The bot's name in Telegram; "" where there is no bot to ask."""
    paper: Paper = "a4"


def paper_for(chosen: Paper | None, locale: Locale, territory: str | None = None) -> Paper:
    """What the settings say, or else what is usual in the reader's country, as far as that is known."""
    return chosen or ("letter" if (territory or locale.territory) in LETTER else "a4")


def new_scan(
    analysis: Analysis,
    *,
    source_key: str,
    patient_label: str | None,
    received_as: str,
    study: StudyFacts | None = None,
    slices: tuple[KeptSlice, ...] = (),
) -> NewScan:
    """What is kept of an analysis that an expert gave an answer to. Raises ValueError for a refused picture."""
    if analysis.organ is None or analysis.model is None or analysis.overlay is None:
        raise ValueError(f"nothing is kept of a picture that was refused: {analysis.reason}")
    label = analysis.label or max(analysis.probabilities, key=lambda name: analysis.probabilities[name])
    return NewScan(
        source_key=source_key,
        patient_label=patient_label,
        organ=analysis.organ,
        verdict=analysis.verdict.value,
        reason=analysis.reason.value,
        label=label,
        confidence=analysis.probabilities[label] if analysis.confidence is None else analysis.confidence,
        probabilities=dict(analysis.probabilities),
        prediction_set=analysis.prediction_set,
        gate=dict(analysis.gate or {}),
        model_name=analysis.model.name,
        model_version=analysis.model.version,
        model_sha256=analysis.model.sha256,
        picture_sha256=analysis.picture_sha256,
        received_as=received_as,
        width=analysis.width,
        height=analysis.height,
        study=study.to_json() if study else None,
        edges=analysis.edges,
        cells=kept_cells(analysis.cells),
        pictures=Pictures(analysis.shown, analysis.overlay),
        slices=slices,
    )


def report_data(
    scan: Scan, pictures: Pictures, language: Language, models: Iterable[Entry], contact_sheet: bytes | None = None,
    *, issuer: Issuer | None = None, series: str = "",
) -> ReportData:  # fmt: skip
    """Everything that the PDF of a scan shows, in the reader's language; ``models`` as in ``explanation_words``.

    ``contact_sheet`` (JPEG) shows the slices of a study, ``series`` names the one of the slice that is shown large;
    or it shows the white cells that counted most.
    """
    issuer, models = issuer or Issuer(), tuple(models)
    texts, study = language.texts, StudyFacts.told(scan)
    topic = topic_of(scan, texts, language.knowledge)
    return ReportData(
        public_id=scan.public_id,
        number=scan.number,
        created_at=scan.created_at,
        created_words=texts.moment(scan.created_at),
        patient_label=scan.patient_label,
        organ_words=wording.organ_words(scan.organ, texts),
        verdict_words=wording.result_words(scan, texts),
        explanation=wording.explanation_words(scan, texts, models),
        bars=_bars(scan, texts),
        figure_words=wording.figure_words(scan, texts),
        limits=tuple(texts.plain(key) for key in (STUDY_LIMITS if study else LIMITS)),
        seek_help=_lines(topic),
        sources=_sources(topic),
        provenance=_provenance(scan, texts),
        original=pictures.original,
        overlay=pictures.overlay,
        words=language.report,
        language=language.code,
        right_to_left=texts.locale.text_direction == "rtl",
        slices=_slice_sheet(study, contact_sheet, texts) if study and contact_sheet else None,
        cells=_cell_sheet(contact_sheet, texts) if contact_sheet and not study else None,
        strength=strength_words(scan, texts, models),
        place=wording.place_words(study, series, texts) if study else "",
        sides=_sides(scan, texts, models),
        verification=_verification(scan, issuer),
        paper=issuer.paper,
    )


def _provenance(scan: Scan, texts: Texts) -> Provenance:
    return Provenance(
        scan.model_name,
        scan.model_version,
        scan.model_sha256,
        scan.picture_sha256,
        wording.picture_words(scan, texts),
    )


def _sides(scan: Scan, texts: Texts, models: Iterable[Entry]) -> Sides | None:
    """Which side is which; None for what is no slice of a body."""
    card = card_of(scan, models)
    if card is None or not card.slices:
        return None
    if len(scan.edges) != 2:
        return Sides(texts.plain("sides.unknown"))
    return Sides(texts.plain("sides.told"), *scan.edges)


def _verification(scan: Scan, issuer: Issuer) -> Verification | None:
    code = issuer.sealer.code(scan.public_id, scan.created_at.astimezone(UTC).date())
    if code is None:
        return None
    if not issuer.username:
        return Verification(code, f"/verify {code}")
    return Verification(code, f"https://t.me/{issuer.username}?start={VERIFY_START}{code.replace('-', '')}")


def _cell_sheet(picture: bytes, texts: Texts) -> ContactSheet:
    return ContactSheet(texts.plain("cells.heading"), picture, texts.plain("cells.note"))


def _slice_sheet(study: StudyFacts, picture: bytes, texts: Texts) -> ContactSheet:
    words = f"{wording.slice_words(study, texts)} {wording.set_aside_words(study, texts)}".strip()
    return ContactSheet(texts.plain("study.sheet_heading"), picture, words)


def topic_of(scan: Scan, texts: Texts, knowledge: Knowledge) -> Topic | None:
    """What explains this scan: the topic of its label, or the organ's general one when the answer is "not sure"."""
    organ = texts.organs.get(scan.organ)
    if organ is None:
        return None
    explained = scan.verdict != Verdict.NOT_SURE and scan.label in organ.classes
    return knowledge.topic(organ.classes[scan.label].topic if explained else organ.topic)


def _bars(scan: Scan, texts: Texts) -> tuple[Bar, ...]:
    ranked = sorted(scan.probabilities.items(), key=lambda item: -item[1])
    return tuple(
        Bar(
            wording.label_words(scan.organ, name, texts),
            probability,
            texts.percent(probability),
            highlighted=name in scan.prediction_set,
        )
        for name, probability in ranked
    )


def _sources(topic: Topic | None) -> tuple[Source, ...]:
    known = topic.sources if topic else ()
    return tuple(Source(f"{source.title}. {source.publisher}", source.url) for source in known)


def _lines(topic: Topic | None) -> tuple[str, ...]:
    """The topic's advice on when to seek help, one line each, without its bullets."""
    text = next((section.text for section in topic.sections if section.key == "help"), "") if topic else ""
    return tuple(line for raw in text.splitlines() if (line := raw.strip().lstrip("•").strip()))
