"""A detection head in the style of large detection code bases.

Built from a config by a registry; levels go through `multi_apply` and `partial`; results are
objects; an image without detections returns an empty (0, 4) tensor. The test for an empty
result and the limit on the number of detections stay Ifs.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

HEADS = {}


def register(cls):
    HEADS[cls.__name__] = cls
    return cls


def build_head(cfg):
    args = dict(cfg)
    return HEADS[args.pop("type")](**args)


def multi_apply(func, *args, **kwargs):
    """Maps a function over the levels, and gives one list per result."""
    pfunc = partial(func, **kwargs) if kwargs else func
    return tuple(map(list, zip(*map(pfunc, *args))))


@dataclass
class Instances:
    """What was found in an image."""

    bboxes: torch.Tensor
    scores: torch.Tensor
    labels: torch.Tensor

    def __len__(self):
        return self.scores.shape[0]

    def __getitem__(self, index):
        return Instances(self.bboxes[index], self.scores[index], self.labels[index])


@register
class AnchorFreeHead(nn.Module):
    """Scores every cell of every level and keeps the best boxes."""

    def __init__(self, in_channels, num_classes, strides, test_cfg=None):
        super().__init__()
        self.cls_conv = nn.Conv2d(in_channels, num_classes, kernel_size=1)
        self.reg_conv = nn.Conv2d(in_channels, 4, kernel_size=1)
        self.strides = strides
        self.test_cfg = test_cfg or {}

    def forward(self, features):
        cls_scores, bbox_preds = multi_apply(self.forward_single, features, self.strides)
        centers, sizes = multi_apply(self.grid_single, features, self.strides, offset=0.5)
        results = self.get_bboxes(cls_scores, bbox_preds, centers, sizes, **self.test_cfg)
        return results.bboxes, results.scores, results.labels

    def forward_single(self, feature, stride):
        scores = self.cls_conv(feature).sigmoid()
        distances = self.reg_conv(feature).relu() * stride
        return scores[0].flatten(1).t(), distances[0].flatten(1).t()

    def grid_single(self, feature, stride, offset=0.0):
        height, width = feature.shape[-2:]
        ys = (torch.arange(height) + offset) * stride
        xs = (torch.arange(width) + offset) * stride
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
        return torch.stack([grid_x.flatten(), grid_y.flatten()], dim=1), (width, height)

    def get_bboxes(self, cls_scores, bbox_preds, centers, sizes, score_thr=0.5, max_per_img=10):
        assert len(cls_scores) == len(bbox_preds) == len(sizes)
        scores, labels = torch.cat(cls_scores).max(dim=1)
        keep = scores > score_thr
        if not keep.any():
            return Instances(
                bboxes=torch.zeros((0, 4)),
                scores=torch.zeros((0,)),
                labels=torch.zeros((0,), dtype=torch.int64),
            )
        center, distance = torch.cat(centers), torch.cat(bbox_preds)
        boxes = torch.cat([center - distance[:, :2], center + distance[:, 2:]], dim=1)
        results = Instances(boxes, scores, labels)[keep]
        if len(results) > max_per_img:
            best = results.scores.topk(max_per_img).indices
            results = results[best]
        return replace(results, scores=results.scores.clamp(max=0.999))


cfg = {
    "type": "AnchorFreeHead",
    "in_channels": 8,
    "num_classes": 3,
    "strides": [8, 16],
    "test_cfg": {"score_thr": 0.7, "max_per_img": 5},
}

torch.manual_seed(0)
model = build_head(cfg).eval()


def _features(height, width, scale):
    return ([torch.randn(1, 8, height // s, width // s) * scale for s in (8, 16)],)


example_inputs = _features(48, 16, scale=1.0)
check_inputs = [
    _features(32, 48, scale=0.0),  # nothing found
    _features(32, 32, scale=0.4),
    _features(64, 48, scale=4.0),  # more than are kept
]
