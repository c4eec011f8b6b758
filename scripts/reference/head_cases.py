"""Cases of the fine-tuning heads: the same batches and labels, whatever the architecture."""

import torch
from torch import Tensor
from transformers import PretrainedConfig

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


def classification(
    architecture: str,
    model_class: type,
    config: PretrainedConfig,
    labels: Tensor,
    layout: Layout = sentence_batch,
    name: str = "sequence_classification",
) -> Case:
    """These labels of four rows."""
    stream = generator(f"{architecture}/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    inputs = layout(stream, config.vocab_size, 11, [8, 11, 10, 6])
    inputs["labels"] = labels
    return Case(name, model, inputs, loss_of_model)


def tagging(
    architecture: str, model_class: type, config: PretrainedConfig, layout: Layout = sentence_batch
) -> Case:
    """A label a token, some positions not scored."""
    name = "token_classification"
    stream = generator(f"{architecture}/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    inputs = layout(stream, config.vocab_size, 13, [13, 9, 7])
    inputs["labels"] = tags(stream, inputs["input_ids"], config.num_labels)
    return Case(name, model, inputs, loss_of_model)


def tags(stream: torch.Generator, input_ids: Tensor, num_labels: int) -> Tensor:
    """Labels of tokens [batch, seq_len]."""
    labels = torch.randint(num_labels, input_ids.shape, generator=stream)
    # Only first pieces of words are scored; here every fourth word is a later piece.
    is_scored = (input_ids >= FIRST_WORD) & (input_ids % 4 != 0)
    return labels.where(is_scored, torch.tensor(IGNORED))


def answering(
    architecture: str, model_class: type, config: PretrainedConfig, layout: Layout = sentence_batch
) -> Case:
    """Start and end of a span."""
    name = "question_answering"
    stream = generator(f"{architecture}/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    inputs = layout(stream, config.vocab_size, 17, [17, 12, 15])
    # The second row has no answer: both point at the first token.
    inputs["start_positions"] = torch.tensor([9, 0, 11])
    inputs["end_positions"] = torch.tensor([12, 0, 11])
    return Case(name, model, inputs, loss_of_model)


def choosing(
    architecture: str, model_class: type, config: PretrainedConfig, layout: Layout = sentence_batch
) -> Case:
    """Two examples of three continuations each."""
    name = "multiple_choice"
    stream = generator(f"{architecture}/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    inputs = choices(layout(stream, config.vocab_size, 9, [9, 6, 7, 8, 9, 7]), num_choices=3)
    inputs["labels"] = torch.tensor([2, 0])
    return Case(name, model, inputs, loss_of_model)


def choices(rows: Tensors, num_choices: int) -> Tensors:
    """Rows [batch * num_choices, seq_len] as the continuations of examples."""
    return {name: tensor.unflatten(0, (-1, num_choices)) for name, tensor in rows.items()}
