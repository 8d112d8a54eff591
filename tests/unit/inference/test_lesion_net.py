"""Promises of the net that draws lesions: its maps are Grad-CAM's, its maximum is smooth, its parts add up."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from inference import lesion_net
from inference.architecture import build
from inference.backends.tensorflow import TensorFlowBackend
from inference.card import Architecture, LesionArchitecture, Member
from inference.layers import LOGITS, MAPS
from inference.lesion_net import CLASS_LOGITS, LESION, MEMBER, SmoothMaximum

CLASSES = 3
"""TensorFlow goes back through the net once a class: three are told apart as six are."""
SECOND = Member(architecture=Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,)), side=48, classes=2)


@pytest.fixture(
    scope="module",
    params=[(None, False), (SECOND, False), (None, True), (SECOND, True)],
    ids=["alone", "with a member", "with an abnormal map", "with both"],
)
def net(request: pytest.FixtureRequest) -> keras.Model:
    """A small net whose parts are weighed at random."""
    keras.utils.set_random_seed(0)
    member, abnormal = request.param
    architecture = LesionArchitecture(backbone="efficientnet_lite0", width=16, member=member, abnormal=abnormal)
    model = build(architecture, 64, 1, CLASSES)
    rng = np.random.default_rng(0)
    for variable in model.get_layer(LOGITS).weights:
        variable.assign(rng.normal(size=variable.shape))
    return model


def picture() -> NDArray[np.float32]:
    return np.random.default_rng(2).random((1, 64, 64, 1)).astype(np.float32) * 1.25


def test_the_maps_are_those_of_grad_cam(net: keras.Model) -> None:
    reference, outputs = TensorFlowBackend(net).run(picture()), net(picture())

    assert np.abs(reference.maps - outputs[MAPS].numpy()[0]).max() < 1e-3
    assert np.abs(reference.maps - outputs[MAPS].numpy()[0]).max() < 1e-3 * np.abs(reference.maps).max()
    assert reference.maps.shape == (8, 8, CLASSES)


def test_logit_weighs_classes_lesion_abnormal_and_member(net: keras.Model) -> None:
    outputs = {name: value.numpy()[0] for name, value in net(picture()).items()}
    mix: Any = net.get_layer(LOGITS)
    by_hand = outputs[CLASS_LOGITS] + outputs[LESION] @ mix.lesion.numpy() + mix.offset.numpy()
    if mix.abnormal is not None:
        by_hand = by_hand + outputs[lesion_net.ABNORMAL] @ mix.abnormal.numpy()
    if mix.member is not None:
        by_hand = by_hand + outputs[f"{MEMBER}{LOGITS}"] @ mix.member.numpy()

    assert np.allclose(outputs[LOGITS], by_hand, atol=1e-5)


def test_an_unweighed_net_says_what_its_class_maps_say() -> None:
    model = build(LesionArchitecture(backbone="efficientnet_lite0", width=16), 64, 1, CLASSES)
    outputs = model(picture())

    assert np.allclose(outputs[LOGITS], outputs[CLASS_LOGITS])
    assert np.allclose(outputs[MAPS], outputs[lesion_net.CLASS_MAPS])
    assert np.allclose(outputs[CLASS_LOGITS], outputs[MAPS].numpy().mean((1, 2)), atol=1e-5)


def test_smooth_maximum_sees_spot_that_mean_drowns() -> None:
    flat, spot = np.full((2, 24, 24, 1), -4, np.float32)
    spot[5, 7] = 8
    dark, lit = (float(SmoothMaximum()(x[None])[0, 0]) for x in (flat, spot))

    assert dark == pytest.approx(-4, abs=1e-5)
    assert lit > 1.5
    assert spot.mean() < -3.9
    assert float(SmoothMaximum()(np.full((1, 4, 4, 1), 500, np.float32))[0, 0]) == pytest.approx(500)
