"""What can be told of a picture without a network: by its brightness or colour alone, or from a thumbnail."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.training.data import dataset
from inference.training.data.example import Example, read_picture
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
Features = Callable[[NDArray[np.uint8]], Floats]
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)


def colours(picture: NDArray[np.uint8]) -> Floats:
    """Percentiles of each colour [27]: no shape, no place."""
    return np.asarray(np.percentile(picture[::2, ::2], PERCENTILES, axis=(0, 1)).ravel())


def thumbnail(picture: NDArray[np.uint8]) -> Floats:
    """The picture at 12 x 12, grey, its mean taken away [144]: the coarsest shape."""
    small = np.asarray(Image.fromarray(picture).convert("L").resize((12, 12), Image.Resampling.BOX), np.float64)
    return np.asarray(small - small.mean()).ravel()


BASELINES: dict[str, Features] = {"brightness_or_colour_only": colours, "thumbnail": thumbnail}


def features(examples: Sequence[Example], *, blank_bars: bool) -> dict[str, Floats]:
    """What each baseline may know of the examples [N, F]; ``blank_bars`` as for training."""
    rows: dict[str, list[Floats]] = {name: [] for name in BASELINES}
    for example in examples:
        picture = dataset.training_picture(example) if blank_bars else read_picture(example.path)
        for name, take in BASELINES.items():
            rows[name].append(take(picture))
    return {name: np.array(found) for name, found in rows.items()}


def linear_classifier(features: Floats, labels: NDArray[np.int32]) -> Callable[[Floats], Floats]:
    """A softmax regression on standardised features [N, F], each class weighing alike; gives probabilities [N, K]."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    pipeline.fit(features, labels)
    return lambda new: np.asarray(pipeline.predict_proba(new), np.float64)


def fit(recipe: Recipe, training: Sequence[Example]) -> dict[str, Callable[[Floats], Floats]]:
    """Train every baseline (a balanced softmax regression): features [N, F] in, probabilities [N, K] out."""
    labels = np.array([recipe.class_names.index(e.label) for e in training], np.int32)
    return {name: linear_classifier(known, labels) for name, known in features(training, blank_bars=True).items()}
