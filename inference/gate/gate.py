"""Is this a picture of an organ that a model reads, or of something else? Only the first gets an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason
from inference.backends import BackendName
from inference.card import ModelError
from inference.decision import probabilities_of
from inference.gate.brightness import too_dark
from inference.gate.ood_detector import DETECTOR_FILE, OodDetector
from inference.gate.screen_finder import find_frames, is_photo, lay_flat, rim_is_lit
from inference.model import Model, Prediction
from inference.registry import Entry

FRAMED_POSITIVE: Final = 0.9
"""What is cut out of a photo is let in at this probability or more: it has had several chances."""
NO_PHOTO: Final = 0.999
"""A picture that is a scan at this probability is not searched for a screen: the borders of cells in a smear form
straight lines by chance, and what was cut out along them was judged at a wrong scale."""
ALMOST: Final = 0.5
"""A photo whose screen shows a scan at this probability is refused as a photo, not as something else."""

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's answer."""

    organ: str | None
    """None: no organ reaches the gate's operating point."""
    nearest: str
    """The likeliest organ."""
    scores: Mapping[str, float]
    """Class of the gate -> probability."""
    reason: Reason
    """READ, or why the picture is refused."""
    picture: Rgb
    """What the organ's model is to read: the picture, or the screen or film in it laid flat, each turned upright."""
    as_sent: Rgb | None = None
    """Where that was turned: the same before."""
    turned: int = 0
    """Left, by so many quarters."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate's model and the rule by which it lets pictures in."""

    model: Model
    detector: OodDetector

    @classmethod
    def load(cls, entry: Entry, backend: BackendName = "litert") -> Self:
        """Open the gate's checked folder. Raises ModelError when its files do not fit its card."""
        detector = OodDetector.load(entry.folder, entry.card)
        if detector is None:
            raise ModelError(f"{entry.folder / 'card.json'} has no checksum for {DETECTOR_FILE}: reinstall the package")
        return cls(Model.load(entry, backend), detector)

    def admit(self, rgb: Rgb) -> Admission:
        """Judge a picture (H x W x 3). What a photo shows of a screen or a film is cut out and laid flat."""
        prediction = self.model.read(rgb)
        scores, nearest = self._score(prediction)
        chance = scores[nearest]
        limit = self.model.card.operating_points.positive
        admitted, almost = chance >= limit, False
        # A slice has a black rim: only where the rim is lit can the scan be a small part of a photo.
        may_be_photo = not admitted or (chance < NO_PHOTO and rim_is_lit(rgb))
        for frame in find_frames(rgb) if may_be_photo else ():
            if not is_photo(rgb, frame):
                continue
            flat = lay_flat(rgb, frame)
            within, organ = self._score(self.model.read(flat))
            if within[organ] >= max(limit, FRAMED_POSITIVE) and (organ == nearest or not admitted):
                return Admission(organ, organ, within, Reason.READ, flat)
            almost = almost or within[organ] >= ALMOST
        if admitted:
            return Admission(nearest, nearest, scores, Reason.READ, rgb)
        reason = Reason.PHOTO_OF_SCREEN if almost else self._why(rgb, prediction)
        return Admission(None, nearest, scores, reason, rgb)

    def admit_as_it_is(self, rgb: Rgb) -> Admission:
        """Judge what was cut out of a picture (H x W x 3) as it is: nothing is searched for in it again."""
        scores, nearest = self._score(self.model.read(rgb))
        admitted = scores[nearest] >= self.model.card.operating_points.positive
        return Admission(nearest if admitted else None, nearest, scores, Reason.READ, rgb)

    def _score(self, prediction: Prediction) -> tuple[Mapping[str, float], str]:
        """The probabilities by both signals of the detector, and the likeliest organ."""
        card = self.model.card
        logits = np.append(self.detector.scores(prediction.outputs.features[None])[0], np.float32(0))
        scores = probabilities_of(logits, card)
        return scores, max(card.organs, key=lambda organ: scores[organ])

    def _why(self, rgb: Rgb, prediction: Prediction) -> Reason:
        return Reason.TOO_DARK if too_dark(rgb) else self.detector.reason(prediction.outputs.features)
