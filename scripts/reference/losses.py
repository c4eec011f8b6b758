"""Losses of classes on given logits, by torch's own cross-entropy.

    class_losses.json    logits, labels, a weight for each class or none, smoothing; the loss and its
                         gradient in float64
"""

import json
from pathlib import Path

import torch

from .cases import IGNORED, generator

CLASS_WEIGHTS = [[], [1.0, 0.25, 2.0, 0.5], [0.0, 3.0, 1.0, 1.5]]
SMOOTHING = [0.0, 0.1, 0.7]


def make_losses(folder: Path) -> None:
    """Writes all cases into one file."""
    stream = generator("tasks/class_losses")
    cases = []
    for class_weights in CLASS_WEIGHTS:
        for smoothing in SMOOTHING:
            # Rounded, so that float32 has the very numbers.
            logits = (2 * torch.randn(7, 4, generator=stream)).float().double()
            logits.requires_grad_()
            labels = torch.randint(4, (7,), generator=stream)
            labels[[1, 4]] = IGNORED
            weights = torch.tensor(class_weights, dtype=torch.float64) if class_weights else None
            cross_entropy = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)
            loss = cross_entropy(logits, labels)
            loss.backward()
            cases.append(
                {
                    "logits": logits.tolist(),
                    "labels": labels.tolist(),
                    "class_weights": class_weights,
                    "label_smoothing": smoothing,
                    "loss": loss.item(),
                    "gradient": logits.grad.tolist(),
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (folder / "class_losses.json").write_text(f"[\n{lines}\n]\n")
