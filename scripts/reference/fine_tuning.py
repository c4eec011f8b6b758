"""Fine-tuning's trajectories: thirty steps of transformers' own classes on random labels.

    trajectory_classify         a label a sequence, from the weights of `sequence_classification`
    trajectory_multi_label      yes or no for each label, from `multi_label`
    trajectory_regress          a number a sequence, from `regression`
    trajectory_regress_several  three numbers a sequence, from `regression_several`
    trajectory_tag              a label a token, from `token_classification`
    trajectory_qa               start and end of a span, from `question_answering`
    trajectory_choose           one of three continuations, from `multiple_choice`
    trajectory_beam             XLNet's span with a beam, from `beam_training`
    trajectory_tag_weighed      the labels weighed and smoothed, from `token_classification`
    trajectory_tag_frozen       embeddings and the first layer stay as they are, from `token_classification`
    trajectory_TASK_decayed     TASK with rates that fall from layer to layer, on batches of its own, where
                                trajectory_TASK has one rate
    trajectory_classify_v1      DeBERTa's first version, from `v1_sequence_classification`

Every architecture has the first seven, DeBERTa's first version only its own. One rate have BERT's classify,
tag (weighed and frozen too), qa and choose, RoBERTa's classify and choose, and DeBERTa's multi_label; the
rates of all others fall: by 0.8 a layer as in ELECTRA, by 0.75 in XLNet.
"""

import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PretrainedConfig

from .cases import Case, Layout, Tensors, generator, pad_left, sentence_batch
from .head_cases import choices, tags
from .trajectory import RateFactor, Settings, one_rate, train, write_trajectory

STARTS = {
    "classify": "sequence_classification",
    "multi_label": "multi_label",
    "regress": "regression",
    "regress_several": "regression_several",
    "tag": "token_classification",
    "qa": "question_answering",
    "choose": "multiple_choice",
    "beam": "beam_training",
}
"""The case whose weights a task starts from."""

ROWS, SEQ_LEN = 3, 11
NUM_CHOICES = 3

SETTINGS = Settings(
    bias_correction=True,
    schedule="linear",
    epsilon=1e-8,
    learning_rate=1e-3,
    warmup_steps=5,
    total_steps=30,
    max_grad_norm=0.2,
)

# What moves a span's scores at all positions alike has no gradient, nor has what moves those of all
# continuations, so a small epsilon would scale up its rounding: the last biases, and of XLNet, whatever
# the task, what the slowest waves say of a few distances.
EPSILONS = {"qa": 1e-5, "beam": 1e-5, "choose": 1e-4}
XLNETS_EPSILON = 1e-5

# Numbers to be learned lie so far from what a model says that no loss is a small difference of large
# numbers, of which float32 keeps few digits.
SPREAD = 3.0


def three_segments_padded_left(
    stream: torch.Generator, vocab_size: int, seq_len: int, lengths: list[int]
) -> Tensors:
    """Three segments, padded at the beginning, as XLNet reads them."""
    batch = sentence_batch(stream, vocab_size, seq_len, lengths, segments=3)
    for row in range(len(lengths)):
        pad_left(batch, row)
    return batch


def three_full_segments(
    stream: torch.Generator, vocab_size: int, seq_len: int, lengths: list[int]
) -> Tensors:
    """As many rows, none of them padded."""
    return sentence_batch(stream, vocab_size, seq_len, [seq_len] * len(lengths), segments=3)


def labels_of(task: str, stream: torch.Generator, batch: Tensors, num_labels: int) -> Tensors:
    """What the task's class takes as labels."""
    input_ids = batch["input_ids"]
    rows, seq_len = input_ids.shape
    if task == "classify":
        return {"labels": torch.randint(num_labels, (rows,), generator=stream)}
    if task == "multi_label":
        return {"labels": (torch.rand(rows, num_labels, generator=stream) < 0.5).float()}
    if task == "regress":
        return {"labels": SPREAD * torch.randn(rows, generator=stream)}
    if task == "regress_several":
        return {"labels": SPREAD * torch.randn(rows, num_labels, generator=stream)}
    if task == "tag":
        return {"labels": tags(stream, input_ids, num_labels)}
    if task == "choose":
        return {"labels": torch.randint(NUM_CHOICES, (rows // NUM_CHOICES,), generator=stream)}
    if task == "beam":
        return beam_labels(stream, batch)
    ends = torch.randint(seq_len, (rows, 2), generator=stream).sort(-1).values
    # A span beyond the sequence is not scored; the first row's always is.
    ends[1:] += seq_len * (torch.rand(rows - 1, 1, generator=stream) < 0.1)
    return {"start_positions": ends[:, 0], "end_positions": ends[:, 1]}


def beam_labels(stream: torch.Generator, batch: Tensors) -> Tensors:
    """A span among the first segment's words, or none: the last position, `[CLS]`; where spans may lie."""
    types, is_real = batch["token_type_ids"], batch["attention_mask"] == 1
    rows, seq_len = types.shape
    may_be = (types == 0) & is_real
    last = seq_len - 1
    may_be[:, last] = True
    spans = torch.full((rows, 2), last)
    is_impossible = torch.rand(rows, generator=stream) < 0.3
    for row in range(rows):
        context = may_be[row, :last].nonzero().flatten()
        drawn = context[torch.randint(len(context), (2,), generator=stream)].sort().values
        if not is_impossible[row]:
            spans[row] = drawn
    return {
        "start_positions": spans[:, 0],
        "end_positions": spans[:, 1],
        "is_impossible": is_impossible.float(),
        "cls_index": torch.full((rows,), last),
        "p_mask": 1 - may_be.float(),
    }


def loss_of(model: torch.nn.Module, batch: Tensors) -> Tensor:
    floats = {name: tensor.to(model.dtype) for name, tensor in batch.items() if tensor.is_floating_point()}
    return model(**(batch | floats)).loss


CLASS_WEIGHTS = [1.0, 0.25, 2.0, 0.5, 3.0]
LABEL_SMOOTHING = 0.1


def weighed_loss(model: torch.nn.Module, batch: Tensors) -> Tensor:
    """torch's own cross-entropy with a weight for each label, smoothed."""
    logits = model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits
    weights = torch.tensor(CLASS_WEIGHTS, dtype=logits.dtype)
    loss = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=LABEL_SMOOTHING)
    return loss(logits.flatten(0, -2), batch["labels"].flatten())


def frozen(model: torch.nn.Module) -> torch.nn.Module:
    """A copy whose embeddings and first layer get no gradient."""
    model = copy.deepcopy(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "embeddings" not in name and layer_of(name) != 0
    return model


def write_fine_tuning(
    folder: Path,
    task: str,
    case: Case,
    layout: Layout = sentence_batch,
    rate_factor: RateFactor = one_rate,
    variant: str = "",
) -> None:
    """Writes one run that starts from the weights of `case`, below the architecture's `folder`; a
    `variant` is `weighed`, `frozen`, or a mere name such as `decayed`."""
    name, config = f"trajectory_{task}" + (f"_{variant}" if variant else ""), case.model.config
    batches = training_batches(task, generator(f"{config.model_type}/{name}"), config, layout)
    loop = partial(train, rate_factor=rate_factor)
    usual = XLNETS_EPSILON if config.model_type == "xlnet" else SETTINGS.epsilon
    settings = replace(SETTINGS, epsilon=EPSILONS.get(task, usual))
    loss = weighed_loss if variant == "weighed" else loss_of
    model = frozen(case.model) if variant == "frozen" else case.model
    write_trajectory(folder / name, model, batches, settings, loss, loop)


def write_runs(
    folder: Path,
    tasks: list[str],
    heads: dict[str, Case],
    layout: Layout = sentence_batch,
    rate_factor: RateFactor = one_rate,
    variant: str = "",
) -> None:
    """Writes a run of every task, from its case among `heads`."""
    for task in tasks:
        write_fine_tuning(folder, task, heads[STARTS[task]], layout, rate_factor, variant)


def training_batches(
    task: str, stream: torch.Generator, config: PretrainedConfig, layout: Layout = sentence_batch
) -> Tensors:
    """The batches of a run, stacked."""
    batches = []
    for _ in range(SETTINGS.total_steps):
        rows = ROWS * NUM_CHOICES if task == "choose" else ROWS
        lengths = torch.randint(7, SEQ_LEN + 1, (rows,), generator=stream).tolist()
        batch = layout(stream, config.vocab_size, SEQ_LEN, lengths)
        labels = labels_of(task, stream, batch, config.num_labels)
        if task == "choose":
            batch = choices(batch, NUM_CHOICES)
        batches.append(batch | labels)
    return {key: torch.stack([batch[key] for batch in batches]) for key in batches[0]}


# --- layer-wise rates ------------------------------------------------------------------------


def electras_rates(layers: int, decay: float) -> RateFactor:
    """decay^(layers + 2 - depth): depth 0 the embeddings with their projection, i + 1 layer i,
    layers + 2 the head."""

    def factor(name: str) -> float:
        layer = layer_of(name)
        if layer is not None:
            return decay ** (layers + 1 - layer)
        # What all layers share counts as embeddings, such as the norm of DeBERTa's relative ones.
        return decay ** (layers + 2) if "embeddings" in name or ".encoder." in name else 1.0

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
