"""Cases of the fine-tuning heads: the same batches and labels, whatever the architecture."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from .cases import (
    FIRST_WORD,
    IGNORED,
    Case,
    Layout,
    Tensors,
    build,
    generator,
    loss_of_model,
    sentence_batch,
    set_weights,
)

REAL_LABELS = {
    "multi_label": (
        "multi_label_classification",
        [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]],
    ),
    "regression": ("regression", [0.5, -1.25, 2.0, 0.75]),
    "regression_several": (
        "regression",
        [[0.5, -1.25, 2.0], [-0.75, 0.25, 1.5], [1.75, -0.5, -1.0], [0.0, 2.25, -1.5]],
    ),
}
"""What real numbers as labels of four rows mean, and these labels, by the case's name."""


def drawn(
    case: str,
    model_class: type,
    config: PretrainedConfig,
    rows: tuple[Layout, int, list[int]],
) -> tuple[torch.Generator, PreTrainedModel, Tensors]:
    """A model and its inputs from the stream of `case`, which may be drawn from further; `rows` are their
    layout, the longest one's length and the length of each."""
    stream = generator(case)
    model = build(model_class, config)
    set_weights(model, stream)
    layout, seq_len, lengths = rows
    return stream, model, layout(stream, config.vocab_size, seq_len, lengths)


def classification(
    architecture: str,
    model_class: type,
    config: PretrainedConfig,
    labels: Tensor,
    layout: Layout = sentence_batch,
    name: str = "sequence_classification",
) -> Case:
    """These labels of four rows."""
    rows = (layout, 11, [8, 11, 10, 6])
    _, model, inputs = drawn(f"{architecture}/{name}", model_class, config, rows)
    inputs["labels"] = labels
    return Case(name, model, inputs, loss_of_model)


def real_labels(
    architecture: str,
    model_class: type,
    config_of: Callable[..., PretrainedConfig],
    layout: Layout = sentence_batch,
) -> list[Case]:
    """A case for each of `REAL_LABELS`; `config_of` makes a configuration with these fields."""
    cases = []
    for name, (problem_type, rows) in REAL_LABELS.items():
        labels = torch.tensor(rows)
        num_labels = 1 if labels.dim() == 1 else labels.shape[1]
        config = config_of(num_labels=num_labels, problem_type=problem_type)
        cases.append(classification(architecture, model_class, config, labels, layout, name))
    return cases


def tagging(
    architecture: str,
    model_class: type,
    config: PretrainedConfig,
    layout: Layout = sentence_batch,
    prefix: str = "",
) -> Case:
    """A label a token, some positions not scored."""
    name = f"{prefix}token_classification"
    rows = (layout, 13, [13, 9, 7])
    stream, model, inputs = drawn(f"{architecture}/{name}", model_class, config, rows)
    inputs["labels"] = tags(stream, inputs["input_ids"], config.num_labels)
    return Case(name, model, inputs, loss_of_model)


def tags(stream: torch.Generator, input_ids: Tensor, num_labels: int) -> Tensor:
    """Labels of tokens [batch, seq_len]."""
    labels = torch.randint(num_labels, input_ids.shape, generator=stream)
    # Only first pieces of words are scored; here every fourth word is a later piece.
    is_scored = (input_ids >= FIRST_WORD) & (input_ids % 4 != 0)
    return labels.where(is_scored, torch.tensor(IGNORED))


def answering(
    architecture: str,
    model_class: type,
    config: PretrainedConfig,
    layout: Layout = sentence_batch,
    prefix: str = "",
) -> Case:
    """Start and end of a span."""
    name = f"{prefix}question_answering"
    rows = (layout, 17, [17, 12, 15])
    _, model, inputs = drawn(f"{architecture}/{name}", model_class, config, rows)
    # The second row has no answer: both point at the first token.
    inputs["start_positions"] = torch.tensor([9, 0, 11])
    inputs["end_positions"] = torch.tensor([12, 0, 11])
    return Case(name, model, inputs, loss_of_model)


def choosing(
    architecture: str,
    model_class: type,
    config: PretrainedConfig,
    layout: Layout = sentence_batch,
    lengths: Sequence[int] = (9, 6, 7, 8, 9, 7),
) -> Case:
    """Two examples of three continuations each, of so many tokens."""
    name = "multiple_choice"
    rows = (layout, 9, list(lengths))
    _, model, inputs = drawn(f"{architecture}/{name}", model_class, config, rows)
    inputs = choices(inputs, num_choices=3)
    inputs["labels"] = torch.tensor([2, 0])
    return Case(name, model, inputs, loss_of_model)


def choices(rows: Tensors, num_choices: int) -> Tensors:
    """Rows [batch * num_choices, seq_len] as the continuations of examples."""
    return {name: tensor.unflatten(0, (-1, num_choices)) for name, tensor in rows.items()}
