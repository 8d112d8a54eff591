"""A scan in plain words: one wording for the chat, the history and the PDF."""

from collections.abc import Iterable, Sequence

from bot.chat.texts import Texts
from bot.scan.cell_facts import told_cells
from bot.scan.study_facts import StudyFacts
from bot.scan.track_record import card_of, observed_rate
from inference.analysis import OF_A_PART, OF_UNUSUAL, TURNED, Verdict
from inference.registry import Entry
from storage.records import Scan


def organ_words(organ: str, texts: Texts) -> str:
    """What kind of picture it is, such as "brain MRI"; an organ without words of its own is called by its name."""
    return texts.organs[organ].name if organ in texts.organs else _spaced(organ)


def label_words(organ: str, label: str, texts: Texts) -> str:
    """What a model class is called; a class without words of its own is called by its name."""
    classes = texts.organs[organ].classes if organ in texts.organs else {}
    return classes[label].words if label in classes else _spaced(label)


def finding_words(organ: str, texts: Texts) -> str:
    """What the signs are signs of: "a tumour" where the organ has no other words for it."""
    return texts.organs[organ].finding if organ in texts.organs else texts.plain("finding.other")


def chance_words(probability: float, texts: Texts) -> str:
    """A probability as people say it: "about 93 of 100"."""
    of_hundred = round(probability * 100)
    if of_hundred >= 100:
        return texts.plain("chance.nearly_all")
    if of_hundred <= 0:
        return texts.plain("chance.hardly_any")
    return texts.plain("chance.about", number=of_hundred)


def result_words(scan: Scan, texts: Texts) -> str:
    """The result in one line, which also says when no more than a part of the picture was read."""
    key = f"verdict.{scan.verdict}"
    if scan.study is not None:
        key = f"study.{scan.verdict}"
    elif scan.reason in OF_A_PART:
        key = f"part.{scan.verdict}"
    return texts.plain(key, finding=finding_words(scan.organ, texts))


def explanation_words(scan: Scan, texts: Texts, models: Iterable[Entry]) -> str:
    """What the result means, in a few plain sentences, with what its model (if among ``models``) has shown in tests."""
    finding = finding_words(scan.organ, texts)
    if study := StudyFacts.told(scan):
        told = (_study_explanation(scan, finding, texts, models), turned_words(scan, texts), slice_words(study, texts))
        return " ".join(filter(None, told))
    if scan.reason in OF_UNUSUAL:
        said = texts.plain("explain.unusual", finding=finding)
    elif scan.verdict == Verdict.NOT_SURE:
        why = texts.plain("brief.not_sure")
        said = texts.plain("explain.not_sure", why=why, names=_still_possible(scan, texts))
    elif names_no_kind(scan, models):
        said = texts.plain("explain.unknown_kind", finding=finding)
    else:
        chance = chance_words(scan.probabilities.get(scan.label, scan.confidence), texts)
        label = label_words(scan.organ, scan.label, texts)
        only = scan.verdict == Verdict.TUMOR_SIGNS and knows_one_kind(scan, models)
        said = texts.plain(
            "explain.tumor_signs_one" if only else f"explain.{scan.verdict}",
            finding=finding,
            **({} if only else {"label": label}),
            chance=chance,
        )
    also = (turned_words(scan, texts), cell_words(scan, texts), record_words(scan, texts, models))
    return " ".join(filter(None, (said, *also)))


def cell_words(scan: Scan, texts: Texts) -> str:
    """How many white cells were judged and how many of them look unusual by themselves; "" where none were."""
    cells = told_cells(scan)
    if not cells:
        return ""
    unusual = sum(cell.unusual for cell in cells)
    return texts.plain(
        "cells.line",
        found=texts.plain("cells.found", count=len(cells)),
        unusual=texts.plain("cells.unusual", count=unusual) if unusual else texts.plain("cells.none"),
    )


def record_words(scan: Scan, texts: Texts, models: Iterable[Entry]) -> str:
    """What pictures with such a score showed in tests, with its interval; "" where too few had one."""
    rate = observed_rate(scan, models)
    if rate is None:
        return ""
    return texts.plain(
        "explain.record",
        finding=finding_words(scan.organ, texts),
        chance=chance_words(rate.share, texts),
        low=round(100 * rate.low),
        high=round(100 * rate.high),
    )


def turned_words(scan: Scan, texts: Texts) -> str:
    """That the picture, or slices of the study, were turned upright before they were read; "" where they were not."""
    if scan.reason not in TURNED:
        return ""
    return texts.plain("turned.line" if scan.study is None else "turned.slices")


def next_words(scan: Scan, texts: Texts) -> str:
    """What to do next, in one line."""
    return texts.plain(f"next.{scan.verdict}")


def brief_words(scan: Scan, texts: Texts, models: Iterable[Entry]) -> str:
    """What the caption says beside result and next step: which kind it looks like, or why there is no answer.

    An organ with one kind of finding is not told that its leukaemia looks most like leukaemia.
    """
    known = tuple(models)
    if scan.verdict == Verdict.NOT_SURE:
        return _why_not_sure(scan, texts, known)
    if names_no_kind(scan, known):
        return texts.plain("brief.unknown_kind")
    if scan.verdict == Verdict.TUMOR_SIGNS and not knows_one_kind(scan, known):
        return texts.plain("brief.tumor_signs", label=label_words(scan.organ, scan.label, texts))
    return ""


def _why_not_sure(scan: Scan, texts: Texts, models: Sequence[Entry]) -> str:
    if scan.study is not None:
        return texts.plain("study.not_sure_why")
    if scan.reason in OF_UNUSUAL:
        return texts.plain("brief.unusual")
    if knows_one_kind(scan, models):
        return texts.plain("brief.not_sure")
    fitting = _ranked(scan)
    key = "brief.possible" if len(fitting) == 2 else "brief.possible_more"
    names = [label_words(scan.organ, name, texts) for name in _both_sides(scan, fitting, models)]
    return texts.plain(key, names=texts.listed(names))


def _both_sides(scan: Scan, fitting: Sequence[str], models: Sequence[Entry]) -> Sequence[str]:
    """Two of the answers that fit; a finding and none where both do: two findings would alarm, though none fits too."""
    card = card_of(scan, models)
    ill = {c.name: c.tumor for c in card.classes} if card else {}
    first, second, *_ = fitting
    return first, next((name for name in fitting if ill.get(name) != ill.get(first)), second)


def knows_one_kind(scan: Scan, models: Iterable[Entry]) -> bool:
    """Whether the model tells a finding from none, and no kinds of it; a model that is gone is known by its answers."""
    card = card_of(scan, models)
    return len(scan.probabilities) <= 2 if card is None else sum(c.tumor for c in card.classes) == 1


def names_no_kind(scan: Scan, models: Iterable[Entry]) -> bool:
    """Whether signs rest on a class that says nothing about the kind (``ModelClass.unknown_kind``)."""
    card = card_of(scan, models) if scan.verdict == Verdict.TUMOR_SIGNS else None
    return card is not None and any(c.unknown_kind and c.name == scan.label for c in card.classes)


def _study_explanation(scan: Scan, finding: str, texts: Texts, models: Iterable[Entry]) -> str:
    if scan.verdict == Verdict.NOT_SURE:
        why = texts.plain("study.not_sure_why")
        return texts.plain("study.explain_not_sure", why=why, names=_still_possible(scan, texts))
    only = scan.verdict == Verdict.TUMOR_SIGNS and knows_one_kind(scan, models)
    return texts.plain(
        "study.explain_tumor_signs_one" if only else f"study.explain_{scan.verdict}",
        finding=finding,
        label=label_words(scan.organ, scan.label, texts),
        chance=chance_words(scan.probabilities.get(scan.label, scan.confidence), texts),
    )


def brief_slice_words(study: StudyFacts, texts: Texts) -> str:
    """As ``slice_words``, for a caption: how many agree of how many, and no names of series."""
    if not study.agreeing:
        return texts.plain("study.brief_none", total=study.judged)
    first, last = study.agreeing[0], study.agreeing[-1]
    return texts.plain("study.brief", total=study.judged, agree=len(study.agreeing), first=first, last=last)


def slice_words(study: StudyFacts, texts: Texts) -> str:
    """How many slices were read and how many agree."""
    named = [name or texts.plain("study.unknown_series") for name in study.series]
    series = texts.listed(list(dict.fromkeys(named))) if any(study.series) else ""
    parts = [texts.plain("study.judged_series" if series else "study.judged", count=study.judged, series=series)]
    if study.agreeing:
        count, first, last = len(study.agreeing), study.agreeing[0], study.agreeing[-1]
        parts.insert(0, texts.plain("study.agree", count=count, first=first, last=last))
    if study.alone:
        parts.append(texts.plain("study.alone", count=study.alone))
    return " ".join(parts)


def place_words(study: StudyFacts, series: str, texts: Texts) -> str:
    """Which slice of how many is shown large, and of which series where a tag named it."""
    named = "study.named_series" if series else "study.named"
    return texts.plain(named, number=study.best, total=study.judged, **({"series": series} if series else {}))


def brief_set_aside_words(study: StudyFacts, texts: Texts) -> str:
    """As ``set_aside_words``, for a caption: how many, and not why."""
    return texts.plain("study.brief_aside", count=sum(study.set_aside.values())) if study.set_aside else ""


def set_aside_words(study: StudyFacts, texts: Texts) -> str:
    """What of a study was not judged, and how often; "" when all was."""
    if not study.set_aside:
        return ""
    aside = texts.listed([texts.plain(f"set_aside.{reason}", count=n) for reason, n in study.set_aside.items()])
    return texts.plain("study.set_aside", list=aside)


def figure_words(scan: Scan, texts: Texts) -> str:
    """What the heat map shows and what it does not."""
    if study := StudyFacts.told(scan):
        return texts.plain("study.figure" if study.agreeing else "study.figure_none")
    return texts.plain("figure.signs" if scan.verdict == Verdict.TUMOR_SIGNS else "figure.other")


def name_of(scan: Scan, texts: Texts) -> str:
    """What the scan is called in a list: its label when it has one."""
    if scan.patient_label:
        return texts.plain("scan.named", number=scan.number, label=scan.patient_label)
    return texts.plain("scan.unnamed", number=scan.number)


def picture_words(scan: Scan, texts: Texts) -> str:
    """How the picture came and how large it was."""
    return texts.plain(f"came_as.{scan.received_as}", width=scan.width, height=scan.height)


def _ranked(scan: Scan) -> list[str]:
    """The answers that the model can't rule out, or the two likeliest where it can rule out all others."""
    likeliest = sorted(scan.probabilities, key=lambda name: -scan.probabilities[name])
    possible = [name for name in likeliest if name in scan.prediction_set]
    return possible if len(possible) > 1 else likeliest[:2]


def _still_possible(scan: Scan, texts: Texts) -> str:
    names = [
        texts.plain(
            "scan.possible",
            label=label_words(scan.organ, name, texts),
            chance=chance_words(scan.probabilities[name], texts),
        )
        for name in _ranked(scan)
    ]
    return texts.listed(names)


def _spaced(name: str) -> str:
    return name.replace("_", " ")
