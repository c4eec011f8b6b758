"""Fine-tuning's trajectories: thirty steps of transformers' own classes on random labels.

    trajectory_classify      a label a sequence, from the weights of `sequence_classification`
    trajectory_multi_label   yes or no for each label, from `multi_label`
    trajectory_regress       a number a sequence, from `regression`
    trajectory_tag           a label a token, from `token_classification`
    trajectory_qa            start and end of a span, from `question_answering`
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .cases import Case, Layout, Tensors, generator, pad_left, sentence_batch
from .head_cases import tags
from .trajectory import RateFactor, Settings, one_rate, train, write_trajectory

ROWS, SEQ_LEN = 3, 11

SETTINGS = Settings(
    bias_correction=True,
    schedule="linear",
    epsilon=1e-8,
    learning_rate=1e-3,
    warmup_steps=5,
    total_steps=30,
    max_grad_norm=0.2,
)


def three_segments_padded_left(
    stream: torch.Generator, vocab_size: int, seq_len: int, lengths: list[int]
) -> Tensors:
    """Three segments, padded at the beginning, as XLNet reads them."""
    batch = sentence_batch(stream, vocab_size, seq_len, lengths, segments=3)
    for row in range(len(lengths)):
        pad_left(batch, row)
    return batch


def labels_of(task: str, stream: torch.Generator, batch: Tensors, num_labels: int) -> Tensors:
    """What the task's class takes as labels."""
    input_ids = batch["input_ids"]
    rows, seq_len = input_ids.shape
    if task == "classify":
        return {"labels": torch.randint(num_labels, (rows,), generator=stream)}
    if task == "multi_label":
        return {"labels": (torch.rand(rows, num_labels, generator=stream) < 0.5).float()}
    if task == "regress":
        return {"labels": torch.randn(rows, generator=stream)}
    if task == "tag":
        return {"labels": tags(stream, input_ids, num_labels)}
    ends = torch.randint(seq_len, (rows, 2), generator=stream).sort(-1).values
    # A span beyond the sequence is not scored; the first row's always is.
    ends[1:] += seq_len * (torch.rand(rows - 1, 1, generator=stream) < 0.1)
    return {"start_positions": ends[:, 0], "end_positions": ends[:, 1]}


def loss_of(model: torch.nn.Module, batch: Tensors) -> Tensor:
    return model(**batch).loss


def write_fine_tuning(
    folder: Path,
    task: str,
    case: Case,
    layout: Layout = sentence_batch,
    rate_factor: RateFactor = one_rate,
) -> None:
    """Writes one run that starts from the weights of `case`, below the architecture's `folder`."""
    name, config = f"trajectory_{task}", case.model.config
    stream = generator(f"{config.model_type}/{name}")
    batches = []
    for _ in range(SETTINGS.total_steps):
        lengths = torch.randint(7, SEQ_LEN + 1, (ROWS,), generator=stream).tolist()
        batch = layout(stream, config.vocab_size, SEQ_LEN, lengths)
        batches.append(batch | labels_of(task, stream, batch, config.num_labels))
    stacked = {key: torch.stack([batch[key] for batch in batches]) for key in batches[0]}
    loop = partial(train, rate_factor=rate_factor)
    # What moves a span's scores at all positions alike has no gradient, so a small epsilon would scale up
    # its rounding: the last biases, and of XLNet what the slowest waves say of a few distances.
    settings = replace(SETTINGS, epsilon=1e-5) if task == "qa" else SETTINGS
    write_trajectory(folder / name, case.model, stacked, settings, loss_of, loop)


# --- layer-wise rates ------------------------------------------------------------------------


def electras_rates(layers: int, decay: float) -> RateFactor:
    """decay^(layers + 2 - depth): depth 0 the embeddings with their projection, i + 1 layer i,
    layers + 2 the head."""

    def factor(name: str) -> float:
        layer = layer_of(name)
        if layer is not None:
            return decay ** (layers + 1 - layer)
        return decay ** (layers + 2) if "embeddings" in name else 1.0

    return factor


def xlnets_rates(layers: int, decay: float) -> RateFactor:
    """decay^(layers - 1 - layer); embeddings and head as they are."""

    def factor(name: str) -> float:
        layer = layer_of(name)
        return 1.0 if layer is None else decay ** (layers - 1 - layer)

    return factor


def layer_of(name: str) -> int | None:
    """The number behind `layer`."""
    parts = name.split(".")
    return int(parts[parts.index("layer") + 1]) if "layer" in parts else None
