"""A study in the bot: read through the workers, kept as slices, drawn from what was kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.scan.study_facts import StudyFacts
from bot.scan.worker_jobs import compose_study
from inference.analysis import Analysis, PictureWords
from inference.card import ModelCard
from inference.study.case import Case, chosen
from inference.study.reading import analyse_study, as_analysis
from inference.study.study import Study, Tile
from inference.study.worker_jobs import draw_contact_sheet, draw_slice
from inference.workers.executor import Executor
from storage.records import KeptSlice


@dataclass(frozen=True, slots=True)
class StudyRead:
    """A study that was judged: the analysis of its most telling slice, with the answer about all."""

    analysis: Analysis
    facts: StudyFacts
    slices: tuple[KeptSlice, ...]


async def read_study(
    executor: Executor,
    study: Study,
    cards: Mapping[str, ModelCard],
    hint: str | None = None,
    *,
    at_once: int = 2,
    progress: Callable[[int, int], None] | None = None,
    client: int | None = None,
) -> StudyRead:
    """Judge a study slice by slice. Raises PictureError and what the executor raises."""
    case = await analyse_study(executor, study, cards, hint, at_once=at_once, progress=progress, client=client)
    best = case.best.finding
    overlay, heatmap = await executor.run(draw_slice, best.shown, best.heat, client=client)
    return StudyRead(as_analysis(case, overlay, heatmap), StudyFacts.of(case), kept_slices(case))


def kept_slices(case: Case) -> tuple[KeptSlice, ...]:
    """What is kept of the slices that were judged."""
    return tuple(
        KeptSlice(
            number=one.number,
            series=" ".join(filter(None, (case.series[one.series].sequence, case.series[one.series].plane))),
            verdict=one.finding.verdict.value,
            score=one.finding.score,
            agrees=one.agrees,
            picture=one.finding.shown,
            heat=one.finding.heat,
        )
        for one in case.slices
    )


def contact_numbers(facts: StudyFacts) -> list[int]:
    """Which slices a contact sheet shows."""
    return chosen(range(1, facts.judged + 1), facts.agreeing or (facts.best,))


def series_of(facts: StudyFacts, slices: Sequence[KeptSlice]) -> str:
    """The series of the slice that is shown large; "" where no tag named it, or it is not among ``slices``."""
    return next((one.series for one in slices if one.number == facts.best), "")


def _tiles(slices: Sequence[KeptSlice]) -> list[Tile]:
    return [Tile(one.number, one.picture, one.heat, one.agrees) for one in slices]


async def draw_chat_picture(
    executor: Executor, facts: StudyFacts, slices: Sequence[KeptSlice], words: PictureWords, client: int | None = None
) -> bytes:
    """The picture for the chat; ``slices`` are those of ``contact_numbers`` and the best one, or more."""
    tiles = {tile.number: tile for tile in _tiles(slices)}
    shown = [tiles[number] for number in contact_numbers(facts) if number in tiles]
    return await executor.run(compose_study, tiles[facts.best], shown, words, client=client)


async def draw_contacts(
    executor: Executor, facts: StudyFacts, slices: Sequence[KeptSlice], client: int | None = None
) -> bytes:
    """The contact sheet for the report."""
    wanted = set(contact_numbers(facts))
    return await executor.run(
        draw_contact_sheet, [tile for tile in _tiles(slices) if tile.number in wanted], client=client
    )
