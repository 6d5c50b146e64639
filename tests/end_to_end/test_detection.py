"""Torchvision's detection models, as plain Python and scripted: lists of images of any sizes.

Random weights make all scores alike, so the last layers are spread out first, and the scores that
are compared are checked to be apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fxexport
from tests.support.scripted import scripted

detection = pytest.importorskip("torchvision.models.detection")
pytestmark = pytest.mark.long

_LAST_LAYERS = (
    "cls_logits", "cls_score", "bbox_pred", "bbox_reg", "bbox_ctrness", "mask_fcn_logits",
    "classification_head.module_list", "regression_head.module_list", "kps_score_lowres",
)  # fmt: skip
_BOX_LAYERS = ("bbox", "regression")
_SIZED = {"min_size": 64, "max_size": 96}
_ROI = {**_SIZED, "box_detections_per_img": 12}
MODELS: dict[str, dict[str, Any]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": {**_ROI, "min_size": 128, "max_size": 192},
    "fasterrcnn_resnet50_fpn": _ROI,
    "maskrcnn_resnet50_fpn": _ROI,
    "keypointrcnn_resnet50_fpn": {**_ROI, "num_classes": 2, "box_detections_per_img": 4},
    "retinanet_resnet50_fpn": {**_SIZED, "detections_per_img": 12},
    "fcos_resnet50_fpn": {**_SIZED, "detections_per_img": 12},
    "ssdlite320_mobilenet_v3_large": {"detections_per_img": 12},
    "ssd300_vgg16": {"detections_per_img": 12},
}
SCRIPTED = ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large")
Images = list[torch.Tensor]


def image(height: int, width: int, contrast: float = 1.0) -> torch.Tensor:
    """Coarse noise, which resizing changes little."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    coarse = torch.rand(1, 3, 6, 7, generator=generator) * contrast
    return nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0]


IMAGES = [
    image(72, 88), image(50, 110), image(120, 60), image(64, 64, 0.5), image(64, 72, 0.02),
]  # fmt: skip


def images_for(name: str) -> Images:
    """Fewer for the model that always works on 300 by 300 pixels."""
    return IMAGES[::3] + IMAGES[4:] if name == "ssd300_vgg16" else IMAGES


def made(name: str) -> nn.Module:
    """The model with random weights that tell its inputs apart."""
    torch.manual_seed(0)
    options = {"num_classes": 5, **MODELS[name]}
    model = getattr(detection, name)(weights=None, weights_backbone=None, **options).eval()
    _normalise_batches(model, images_for(name))
    _spread_out(model, images_for(name))
    return model


def _normalise_batches(model: Any, images: Images) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
            layer.reset_running_stats()
    with torch.no_grad():
        features = model.backbone.train()(model.transform(images)[0].tensors)
        if hasattr(model, "head"):
            model.head.train()(list(features.values()))
    model.eval()


def _spread_out(model: nn.Module, images: Images) -> None:
    """Scales the last layers so that classes spread by 2 and boxes by a half, at most."""
    seen: set[nn.Module] = set()

    def scale(layer: nn.Module, wanted: float, out: torch.Tensor) -> torch.Tensor:
        if out.numel() < 9:
            return out
        factor = wanted / out.std()
        factor = factor if layer not in seen else factor.clamp(max=1)
        seen.add(layer)
        layer.weight.mul_(factor)  # type: ignore[union-attr, operator]
        return out * factor

    hooks = []
    for name, layer in model.named_modules():
        leaf = isinstance(layer, (nn.Conv2d, nn.Linear, nn.ConvTranspose2d))
        if leaf and any(part in name for part in _LAST_LAYERS):
            nn.init.normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
            wanted = 0.5 if any(part in name for part in _BOX_LAYERS) else 2.0
            hooks.append(
                layer.register_forward_hook(
                    lambda layer, _, out, wanted=wanted: scale(layer, wanted, out)
                )
            )
    with torch.no_grad():
        for one in images:
            model([one])
    for hook in hooks:
        hook.remove()


def set_threshold(model: Any, images: Images) -> None:
    """A threshold that some of the images stay below."""
    holder = getattr(model, "roi_heads", model)
    with torch.no_grad():
        best = sorted(max(model([one])[0]["scores"].tolist(), default=0.0) for one in images)
    holder.score_thresh = (best[0] + best[1]) / 2


def exported(model: nn.Module, images: Images) -> Any:
    """The file's session; both sizes of every image are dynamic."""
    onnxruntime = pytest.importorskip("onnxruntime")
    dims: list[Any] = [{1: f"h{k}", 2: f"w{k}"} for k in range(len(images))]
    made_of = fxexport.export(model, (images,), dynamic={"images": dims}, verify=False)
    return onnxruntime.InferenceSession(
        made_of.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def detected(session: Any, images: Images) -> dict[str, np.ndarray[Any, Any]]:
    feeds = {f"images_{k}": one.numpy() for k, one in enumerate(images)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def assert_same(expected: Sequence[dict[str, Any]], actual: dict[str, Any]) -> int:
    """Compares all that was detected; returns how much that is."""
    assert len(actual) == sum(len(found) for found in expected)
    count = 0
    for k, found in enumerate(expected):
        scores = found["scores"]
        gaps = (scores[:-1] - scores[1:]).abs()
        assert not gaps.numel() or gaps.min() > 1e-7, "the test's scores are too close to compare"
        count += len(scores)
        for name, value in found.items():
            got = actual[f"output_{k}_{name}"]
            assert got.shape == tuple(value.shape), name
            np.testing.assert_allclose(got, value.numpy(), rtol=2e-3, atol=2e-3, err_msg=name)
    return count


@pytest.mark.parametrize(
    ("name", "script"), [*((name, False) for name in MODELS), *((name, True) for name in SCRIPTED)]
)
def test_detections_agree_at_several_sizes_and_where_there_are_none(
    name: str, script: bool
) -> None:
    model = made(name)
    set_threshold(model, images_for(name))
    session = exported(scripted(model) if script else model, [image(75, 90)])
    counts = []
    for one in images_for(name):
        with torch.no_grad():
            expected = model([one])
        found = detected(session, [one])
        if script:  # ... the losses, of which there are none, come before what was detected
            found = {key.replace("output_1_", "output_"): value for key, value in found.items()}
        counts.append(assert_same(expected, found))
    assert min(counts) == 0
    assert max(counts) >= 3


def test_two_images_of_different_sizes_agree() -> None:
    model = made("fasterrcnn_mobilenet_v3_large_320_fpn")
    session = exported(model, [image(75, 90), image(60, 70)])
    for pair in ([IMAGES[0], IMAGES[1]], [IMAGES[2], IMAGES[0]], [IMAGES[3], IMAGES[3]]):
        with torch.no_grad():
            expected = model(pair)
        assert assert_same(expected, detected(session, pair)) > 3


@pytest.mark.parametrize(
    "name",
    [
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "maskrcnn_resnet50_fpn",
        "keypointrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
        "fcos_resnet50_fpn",
        "ssdlite320_mobilenet_v3_large",
    ],
)
def test_a_list_of_any_number_of_images_agrees(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = made(name)
    made_of = fxexport.export(
        model,
        ([image(75, 90)],),
        dynamic={"images": {1: "height", 2: "width"}},
        sequences=["images"],
        verify=False,
    )
    session = onnxruntime.InferenceSession(
        made_of.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for images in ([IMAGES[0]], [IMAGES[2], IMAGES[1]], IMAGES[:3]):
        with torch.no_grad():
            expected = model(images)
        columns = session.run(None, {"images": [one.numpy() for one in images]})
        assert [len(column) for column in columns] == [len(images)] * len(expected[0])
        found = {
            f"output_{k}_{name}": column[k]
            for name, column in zip(expected[0], columns, strict=True)
            for k in range(len(images))
        }
        assert assert_same(expected, found) >= 3


@pytest.mark.parametrize(
    "sizes",
    [None, {1: fxexport.Dim("h", 48, 80), 2: fxexport.Dim("w", 48, 80)}],
    ids=["fixed", "profile"],
)
def test_tensorrt_file_is_compared_in_all_its_results(sizes: Any) -> None:
    """Little may be excused: the weights were made so that scores are apart.

    The values of a profile's own sizes are random, so that how a processor rounds may decide which
    boxes a case keeps; what differs from machine to machine is one case at most.
    """
    pytest.importorskip("onnxruntime")
    made_of = fxexport.export(
        made("fasterrcnn_resnet50_fpn"),
        ([image(64, 64)],),
        target="tensorrt",
        dynamic=sizes and {"images": [sizes]},
    )
    verification = made_of.report.verification
    assert verification.ok
    compared = [case for case in verification.cases if case.label.startswith(("example", "prof"))]
    assert len(compared) == (1 if sizes is None else 6)
    whole = [case for case in compared if len(case.outputs) == 3 and case.message == ""]
    assert compared[0] in whole
    assert len(whole) >= len(compared) - 1, compared
