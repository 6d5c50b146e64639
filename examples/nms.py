"""Non-maximum suppression in Python loops, as in a textbook: both loops stay Loops."""

import torch


def iou(box, other):
    """Intersection over union of two boxes (x1, y1, x2, y2)."""
    left_top = torch.maximum(box[:2], other[:2])
    right_bottom = torch.minimum(box[2:], other[2:])
    inter = (right_bottom - left_top).clamp(min=0).prod()
    area = (box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod()
    return inter / (area - inter)


def model(boxes, scores, threshold: float = 0.5):
    order = scores.argsort(descending=True)
    kept = order[:0]
    for i in range(order.shape[0]):
        candidate = order[i]
        overlaps = False
        for j in range(kept.shape[0]):
            if iou(boxes[candidate], boxes[kept[j]]) > threshold:
                overlaps = True
                break
        if not overlaps:
            kept = torch.cat([kept, candidate.unsqueeze(0)])
    if kept.shape[0] == 0:
        return torch.zeros((0, 4)), kept
    return boxes[kept], kept


def _boxes(count, seed):
    """Random boxes around a few centres, and their scores."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(count, 2, generator=generator).mul(3).round() * 10
    corner = centres + torch.rand(count, 2, generator=generator)
    size = 5 + torch.rand(count, 2, generator=generator)
    return torch.cat([corner, corner + size], dim=1), torch.rand(count, generator=generator)


example_inputs = (*_boxes(6, seed=0), 0.5)
check_inputs = [
    (*_boxes(0, seed=1), 0.5),
    (*_boxes(1, seed=2), 0.5),
    (*_boxes(30, seed=3), 0.4),
    (*_boxes(30, seed=3), 0.9),
]
