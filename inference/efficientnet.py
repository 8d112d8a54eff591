"""EfficientNet-Lite0 in Keras with its batch norms folded into the convolutions (needs TensorFlow or JAX).

Tan & Le 2019; the "Lite" variant has neither squeeze-and-excitation nor swish, only ReLU6, so it converts to fast
integer and float kernels. Layers are named by stage and block (``s3b1dw``), as ``training.fit.backbone`` fills them.
"""

from dataclasses import dataclass
from typing import Any, Final

from keras import layers

STRIDES: Final = (1, 2, 2, 2, 1, 2, 1)
"""Of each stage; the stem has a stride of 2, too, so the stages lie at 2, 4, 8, 16, 16, 32 and 32."""


@dataclass(frozen=True, slots=True)
class Stage:
    """``blocks`` inverted bottlenecks of one width; the first has the stage's stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STEM_WIDTH: Final = 32
STAGES: Final = tuple(
    Stage(blocks, kernel, stride, expansion, width)
    for (blocks, kernel, expansion, width), stride in zip(
        ((1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80), (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)),
        STRIDES,
        strict=True,
    )
)
FIXED_STAGES: Final = 3
"""The stem and this many stages (edges, textures, strides up to 8) keep what ImageNet taught them."""

TEXTURE_STAGES: Final = 3
"""The stem and this many stages read the textures of white cells: at a stride of 8, 40 numbers a place."""


def conv(
    x: Any, name: str, width: int, kernel: int = 1, stride: int = 1, *, relu6: bool = True, bias: bool = True,
    trainable: bool = True,
) -> Any:  # fmt: skip
    """A convolution as TensorFlow pads it ("same")."""
    layer = layers.Conv2D(
        width, kernel, stride, padding="same", use_bias=bias, kernel_initializer="he_normal", name=name
    )
    layer.trainable = trainable
    y = layer(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(y) if relu6 else y


def depthwise(
    x: Any, name: str, kernel: int, stride: int = 1, *, relu6: bool = True, bias: bool = True, trainable: bool = True
) -> Any:
    """One filter a channel, padded alike."""
    layer = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=bias, depthwise_initializer="he_normal", name=name
    )
    layer.trainable = trainable
    y = layer(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(y) if relu6 else y


def efficientnet_lite0(x: Any, *, fixed: int = FIXED_STAGES, stages: int = len(STAGES)) -> list[Any]:
    """The outputs of the first ``stages`` for ``x`` [B, S, S, 1 or 3]; of these the first ``fixed`` are not trained."""
    x = conv(x, "stem", STEM_WIDTH, 3, 2, trainable=fixed == 0)
    outputs = []
    for number, stage in enumerate(STAGES[:stages]):
        trainable = number >= fixed
        for block in range(stage.blocks):
            name = f"s{number}b{block}"
            stride = stage.stride if block == 0 else 1
            y = x
            if stage.expansion != 1:
                y = conv(y, f"{name}ex", x.shape[-1] * stage.expansion, trainable=trainable)
            y = depthwise(y, f"{name}dw", stage.kernel, stride, trainable=trainable)
            y = conv(y, f"{name}pr", stage.width, relu6=False, trainable=trainable)
            x = y if block == 0 else layers.Add(name=f"{name}_add")([x, y])
        outputs.append(x)
    return outputs
