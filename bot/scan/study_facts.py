"""What is kept of a study beside its slices: plain numbers and names, so that its words can be made in any language."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from inference.study.case import Case
from storage.records import Scan


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Slices are numbered from 1 over all series."""

    kind: str
    """See ``inference.study.study.Kind``."""
    judged: int
    series: tuple[str, ...]
    """Sequence and plane of each series, such as "T1c axial"; "" where no tag tells."""
    agreeing: tuple[int, ...]
    """Slices that agree about the place of a finding."""
    best: int
    """The slice that is shown large."""
    alone: int
    """Slices that show signs without a neighbour that agrees."""
    set_aside: Mapping[str, int]
    """See ``inference.study.study.SetAside``."""

    @classmethod
    def of(cls, case: Case) -> Self:
        """What is to be kept of a case."""
        return cls(
            kind=case.kind.value,
            judged=case.answer.judged,
            series=tuple(
                " ".join(filter(None, (one.sequence, one.plane))) for one in case.series if _has_taken(one, case)
            ),
            agreeing=tuple(one.number for one in case.slices if one.agrees),
            best=case.best.number,
            alone=case.answer.alone,
            set_aside={reason.value: count for reason, count in case.set_aside.items()},
        )

    @classmethod
    def told(cls, scan: Scan) -> Self | None:
        """What a scan tells of its study; None for a single picture."""
        return None if scan.study is None else cls.from_json(scan.study)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` gave."""
        return cls(**{**kept, "series": tuple(kept["series"]), "agreeing": tuple(kept["agreeing"])})

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and texts."""
        return asdict(self)


def _has_taken(series: Any, case: Case) -> bool:
    return any(finding.organ == case.answer.organ for finding in series.findings)
