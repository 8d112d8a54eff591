"""The network of an expert that draws lesions: EfficientNet-Lite0, its strides fused to 8, class maps, a lesion map.

Two scores say whether a lesion is there: the mean of the class maps (what kind) and the smooth maximum of the lesion
map (is there one anywhere). A mean drowns small lesions, a maximum knows no kind; ``logits`` weighs both, and the
scores of a second net where the card names one.
"""

from typing import Any, Final

import keras
from keras import layers, ops

from inference.card import LesionArchitecture, Member
from inference.efficientnet import FIXED_STAGES, conv, depthwise, efficientnet_lite0
from inference.layers import ACTIVATIONS, FEATURES, LOGITS, MAPS, Bias, residual_activations

CLASS_MAPS: Final = "class_maps"
LESION_MAP: Final = "lesion_map"
LESION: Final = "lesion"
ABNORMAL_MAP: Final = "abnormal_map"
ABNORMAL: Final = "abnormal"
"""The map of whatever is unusual, a tumour or a finding of another kind, and its smooth maximum."""
CLASS_LOGITS: Final = "class_logits"
MEMBER: Final = "member_"
"""What the names of a second net's layers begin with."""
BRIGHTEST: Final = 1.1
"""Levels (in units of the 99th percentile) above this are cut off: noise and vessels."""
DROPOUT: Final = 0.1


class Levels(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Brings levels 0..``BRIGHTEST`` to the range -1..1 that ImageNet's weights know."""

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return shape

    def call(self, x: Any) -> Any:
        """Map [B, S, S, 1]."""
        return ops.minimum(x, BRIGHTEST) * (255 / BRIGHTEST / 128) - 127 / 128


class SmoothMaximum(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """log-mean-exp over the cells of a map [B, h, w, 1]: near the maximum, but with a gradient everywhere."""

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """One number a picture."""
        return shape[0], shape[-1]

    def call(self, x: Any) -> Any:
        """Give [B, 1]. The weights of the cells in the gradient sum to 1, so Grad-CAM has a closed form."""
        cells = x.shape[1] * x.shape[2]
        top = ops.max(x, axis=(1, 2), keepdims=True)
        total = ops.sum(ops.exp(x - top), axis=(1, 2))
        return ops.log(total / cells) + top[:, 0, 0]


class Mix(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A fixed sum of several scores, of pictures or of places: the same weights for both, so that maps stay Grad-CAM's.

    The parts are class scores [..., K], a lesion score [..., 1], perhaps one of anything ``abnormal`` [..., 1], and
    perhaps a member's class scores [..., J]. The weights are no part of the training: they are fitted afterwards
    (``training.fit.mix``), and are zero for all but the first part until then.
    """

    def __init__(self, *, abnormal: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self._has_abnormal = abnormal

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Make the weights of the parts, [1, K] or [J, K], and an offset [K] that maps don't get."""
        classes = shapes[0][-1]

        def made(name: str, rows: int | None) -> Any:
            return self.add_weight(name=name, shape=(rows, classes), initializer="zeros", trainable=False)

        self.lesion = made("lesion", 1)
        self.abnormal = made(ABNORMAL, 1) if self._has_abnormal else None
        self.member = made("member", shapes[-1][-1]) if len(shapes) > 2 + self._has_abnormal else None
        self.offset = self.add_weight(name="offset", shape=(classes,), initializer="zeros", trainable=False)

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """That of the class scores."""
        return shapes[0]

    def call(self, parts: list[Any]) -> Any:
        """Give logits [B, K]."""
        return self.weigh(parts) + self.offset

    def weigh(self, parts: list[Any]) -> Any:
        """Give the sum without the offset: of pictures [B, ...] or of places [B, h, w, ...]."""
        weights = [w for w in (self.lesion, self.abnormal, self.member) if w is not None]
        total = parts[0]
        for part, weight in zip(parts[1:], weights, strict=True):
            total = total + ops.matmul(part, weight)
        return total


class MixedMaps(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The maps of what a ``Mix`` gives; a member's are stretched to the size of the others."""

    def __init__(self, mix: Mix, **settings: Any) -> None:
        super().__init__(**settings)
        self._mix = (mix,)  # in a tuple: the weights belong to the mix alone

    def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """That of the class maps."""
        return shapes[0]

    def call(self, parts: list[Any]) -> Any:
        """Give maps [B, h, w, K]."""
        side = parts[0].shape[1]
        return self._mix[0].weigh([part if part.shape[1] == side else stretched(part, side) for part in parts])


def stretched(maps: Any, side: int) -> Any:
    """Maps [B, h, w, K] at ``side`` x ``side`` cells."""
    return ops.image.resize(maps, (side, side), interpolation="bilinear", data_format="channels_last")


def build_lesion_net(
    architecture: LesionArchitecture, side: int, channels: int, classes: int, fixed: int = FIXED_STAGES
) -> keras.Model:
    """Build the net for levels [B, side, side, channels]; maps are [B, side/8, side/8, K].

    Its outputs are those of every model and, to train by, ``CLASS_LOGITS``, ``CLASS_MAPS``, ``LESION`` [B, 1] and
    ``LESION_MAP`` [B, h, w, 1], and where the architecture says so ``ABNORMAL`` and ``ABNORMAL_MAP`` likewise.
    """
    picture = keras.Input((side, side, channels), name="picture")
    stages = efficientnet_lite0(Levels(name="levels")(picture), fixed=fixed)
    x = _fused(stages[2], stages[4], stages[6], architecture.width)
    dropped = layers.SpatialDropout2D(DROPOUT, name="dropped")(x)
    maps = layers.Conv2D(classes, 1, use_bias=False, dtype="float32", name=CLASS_MAPS)(dropped)
    lesion_map = layers.Conv2D(1, 1, use_bias=False, dtype="float32", name=LESION_MAP)(x)
    class_logits = Bias(dtype="float32", name=CLASS_LOGITS)(_mean(maps, "map_mean"))
    lesion = SmoothMaximum(dtype="float32", name=LESION)(lesion_map)
    scores, places, features = [class_logits, lesion], [maps, lesion_map], [_mean(x, "feature_mean")]
    to_train_by: dict[str, Any] = {}
    if architecture.abnormal:
        abnormal_map = layers.Conv2D(1, 1, use_bias=False, dtype="float32", name=ABNORMAL_MAP)(x)
        scores.append(SmoothMaximum(dtype="float32", name=ABNORMAL)(abnormal_map))
        places.append(abnormal_map)
        to_train_by = {ABNORMAL: scores[-1], ABNORMAL_MAP: abnormal_map}
    if architecture.member:
        its_logits, its_maps, its_activations = _member(picture, architecture.member)
        scores.append(its_logits)
        places.append(its_maps)
        features.append(_mean(its_activations, f"{MEMBER}feature_mean"))
        to_train_by[f"{MEMBER}{LOGITS}"] = its_logits
    mix = Mix(abnormal=architecture.abnormal, dtype="float32", name=LOGITS)
    outputs = {
        LOGITS: mix(scores),
        MAPS: MixedMaps(mix, dtype="float32", name=MAPS)(places),
        FEATURES: layers.Concatenate(name=FEATURES)(features) if len(features) > 1 else features[0],
        CLASS_LOGITS: class_logits,
        CLASS_MAPS: maps,
        LESION: lesion,
        LESION_MAP: lesion_map,
    }
    return keras.Model(picture, outputs | to_train_by)


def _fused(fine: Any, middle: Any, coarse: Any, width: int) -> Any:
    """Activations [B, h, w, width] of three stages, each half as fine as the one before, on the finest one's grid."""
    x = conv(middle, "l5", width, relu6=False, bias=False)
    y = layers.UpSampling2D(2, name="l7_up")(conv(coarse, "l7", width, relu6=False))
    x = layers.UpSampling2D(2, name="l5_up")(layers.Add(name="l5_add")([x, y]))
    x = layers.Add(name="l3_add")([conv(fine, "l3", width, relu6=False, bias=False), x])
    x = layers.ReLU(name="fused")(x)
    y = conv(depthwise(x, "dw", 5, relu6=False, bias=False), "pw", width, relu6=False)
    x = layers.ReLU(name="refined")(layers.Add(name="pw_add")([y, x]))
    return layers.Activation("linear", dtype="float32", name=ACTIVATIONS)(x)


def _member(picture: Any, member: Member) -> tuple[Any, Any, Any]:
    """Logits, maps and activations of a residual net that reads the picture smaller; nothing of it is trained here."""
    small = stretched(picture, member.side)
    activations = residual_activations(small, member.architecture, MEMBER)
    maps = layers.Conv2D(member.classes, 1, use_bias=False, dtype="float32", name=f"{MEMBER}{MAPS}")(activations)
    logits = Bias(dtype="float32", name=f"{MEMBER}{LOGITS}")(_mean(maps, f"{MEMBER}map_mean"))
    return logits, maps, activations


def _mean(x: Any, name: str) -> Any:
    return layers.GlobalAveragePooling2D(dtype="float32", name=name)(x)
