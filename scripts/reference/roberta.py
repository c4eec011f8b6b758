"""RoBERTa's cases.

    masked_lm                words of `<s> </s>` texts, a row padded at its end
    masked_lm_padded         padding on the left and in the middle: it is not counted as a position
    masked_lm_untied         the head with a matrix and a bias of its own; another id of padding
    encoder                  hidden states and pooled vector against fixed cotangents, two segment types
    encoder_no_pooler        relu, three layers, four heads, a row padded on the left
    sequence_classification  three labels, from the first position
    multi_label              three labels, each true or not
    regression               one number
    regression_several       three numbers
    token_classification     five labels, some positions not scored
    question_answering       start and end of a span; the softmax runs over padding too
    multiple_choice          three continuations each of two examples
    single_row_long          one row as long as there are positions, a LayerNorm epsilon that shows
    trajectory               thirty steps from `masked_lm`, by the published constants of Adam
    trajectory_classify, trajectory_choose
                             thirty steps of fine-tuning; see fine_tuning.py
    trajectory_multi_label, trajectory_regress, trajectory_regress_several, trajectory_tag, trajectory_qa,
    trajectory_classify_decayed, trajectory_choose_decayed
                             the same, rates that fall by 0.8 a layer
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
)

from . import head_cases
from .bert import add_cotangents, cotangent_loss
from .cases import (
    FIRST_WORD,
    Case,
    Tensors,
    build,
    generator,
    loss_of_model,
    mask_words,
    run,
    set_weights,
    write_case,
)
from .fine_tuning import electras_rates, write_runs
from .trajectory import Settings, write_trajectory

# Ids of the special tokens, as a tokenizer is trained for RoBERTa; words start after them as everywhere.
BEGIN, PAD, END, MASK = 0, 1, 2, 4


def make_roberta(folder: Path) -> None:
    """Writes every case of RoBERTa below the folder."""
    masked_lm_case, heads = masked_lm(), fine_tuned()
    cases = [
        masked_lm_case,
        masked_lm_padded(),
        masked_lm_untied(),
        encoder(),
        encoder_no_pooler(),
        *heads.values(),
        single_row_long(),
    ]
    for case in cases:
        write_case(folder, case)
    trajectory(folder, masked_lm_case.model)
    write_runs(folder, ["classify", "choose"], heads, text_batch)
    layer_by_layer(folder, heads)


def small_config(**changes) -> RobertaConfig:
    """The configuration most cases vary; sizes are odd so that swapped axes do not fit."""
    fields = {
        "vocab_size": 53,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 37,
        "max_position_embeddings": 21,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    }
    return RobertaConfig(**(fields | changes))


def text_batch(
    stream: torch.Generator, vocab_size: int, seq_len: int, lengths: list[int], pad: int = PAD
) -> Tensors:
    """Rows of <s> words </s>, padded at the end to seq_len.

    Returns input_ids and attention_mask, both [len(lengths), seq_len].
    """
    shape = (len(lengths), seq_len)
    input_ids = torch.randint(FIRST_WORD, vocab_size, shape, generator=stream)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    for row, length in enumerate(lengths):
        input_ids[row, 0] = BEGIN
        input_ids[row, length - 1] = END
        input_ids[row, length:] = pad
        attention_mask[row, :length] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def move_padding(batch: Tensors, row: int, place: int) -> None:
    """Moves the padding of one row from its end to before the token that now has this place."""
    length = int(batch["attention_mask"][row].sum())
    for tensor in batch.values():
        values = tensor[row].clone()
        tensor[row] = torch.cat([values[:place], values[length:], values[place:length]])


def masked_lm() -> Case:
    stream = generator("roberta/masked_lm")
    config = small_config()
    model = build(RobertaForMaskedLM, config)
    set_weights(model, stream)
    inputs = text_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9, 11])
    mask_words(stream, inputs, counts=[4, 1, 2])
    return Case("masked_lm", model, inputs, loss_of_model)


def masked_lm_padded() -> Case:
    stream = generator("roberta/masked_lm_padded")
    # The head's gelu does not follow hidden_act.
    config = small_config(vocab_size=37, hidden_size=20, num_attention_heads=5, hidden_act="relu")
    model = build(RobertaForMaskedLM, config)
    set_weights(model, stream)
    inputs = text_batch(stream, config.vocab_size, seq_len=15, lengths=[12, 15, 7, 10])
    mask_words(stream, inputs, counts=[3, 5, 1, 2])
    move_padding(inputs, row=0, place=0)
    move_padding(inputs, row=2, place=4)
    # Padding that is attended to is no position all the same, and hidden words are.
    inputs["attention_mask"][3, 10:12] = 1
    inputs["attention_mask"][1, 6] = 0
    return Case("masked_lm_padded", model, inputs, loss_of_model)


def masked_lm_untied() -> Case:
    stream = generator("roberta/masked_lm_untied")
    config = small_config(tie_word_embeddings=False, pad_token_id=3)
    model = build(RobertaForMaskedLM, config)
    set_weights(model, stream)
    inputs = text_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 8], pad=3)
    mask_words(stream, inputs, counts=[4, 2])
    return Case("masked_lm_untied", model, inputs, loss_of_model)


def encoder() -> Case:
    stream = generator("roberta/encoder")
    config = small_config(hidden_size=18, num_attention_heads=2, type_vocab_size=2)
    model = build(RobertaModel, config)
    set_weights(model, stream)
    inputs = text_batch(stream, config.vocab_size, seq_len=11, lengths=[11, 8, 5])
    token_type_ids = torch.zeros_like(inputs["input_ids"])
    token_type_ids[0, 6:] = 1
    inputs["token_type_ids"] = token_type_ids
    add_cotangents(stream, model, inputs)
    return Case("encoder", model, inputs, cotangent_loss)


def encoder_no_pooler() -> Case:
    stream = generator("roberta/encoder_no_pooler")
    config = small_config(num_hidden_layers=3, num_attention_heads=4, hidden_act="relu")
    model = build(RobertaModel, config, add_pooling_layer=False)
    set_weights(model, stream)
    inputs = text_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 10])
    move_padding(inputs, row=1, place=0)
    add_cotangents(stream, model, inputs)
    return Case("encoder_no_pooler", model, inputs, cotangent_loss)


def fine_tuned() -> dict[str, Case]:
    """The cases that fine-tuning starts from, by name."""
    model_class = RobertaForSequenceClassification
    cases = [
        sequence_classification(),
        *head_cases.real_labels("roberta", model_class, small_config, text_batch),
        token_classification(),
        question_answering(),
        multiple_choice(),
    ]
    return {case.name: case for case in cases}


def sequence_classification() -> Case:
    config = small_config(num_labels=3, problem_type="single_label_classification")
    labels = torch.tensor([2, 0, 1, 2])
    model_class = RobertaForSequenceClassification
    return head_cases.classification("roberta", model_class, config, labels, text_batch)


def token_classification() -> Case:
    config = small_config(num_labels=5)
    return head_cases.tagging("roberta", RobertaForTokenClassification, config, text_batch)


def question_answering() -> Case:
    return head_cases.answering("roberta", RobertaForQuestionAnswering, small_config(), text_batch)


def multiple_choice() -> Case:
    # What all continuations have in common has no gradient: among others the scores lie too close together
    # for float32 to tell their biases' gradients.
    config = small_config(vocab_size=43)
    return head_cases.choosing("roberta", RobertaForMultipleChoice, config, text_batch)


def single_row_long() -> Case:
    stream = generator("roberta/single_row_long")
    config = small_config(max_position_embeddings=41, layer_norm_eps=1e-7)
    model = build(RobertaForMaskedLM, config)
    # Tables this small give sums with a variance near 1e-5, where an epsilon of 1e-7 counts.
    set_weights(model, stream, embedding_std=0.002)
    seq_len = config.max_position_embeddings - config.pad_token_id - 1
    inputs = text_batch(stream, config.vocab_size, seq_len, lengths=[seq_len])
    mask_words(stream, inputs, counts=[6])
    return Case("single_row_long", model, inputs, loss_of_model)


def loss_of_batch(model: RobertaForMaskedLM, batch: Tensors) -> Tensor:
    return run(model, batch)["loss"]


def training_batches(steps: int, vocab_size: int) -> Tensors:
    """Different batches of three rows, stacked; rows have zero to four predictions."""
    stream = generator("roberta/trajectory")
    batches = []
    for _ in range(steps):
        lengths = torch.randint(8, 12, (3,), generator=stream).tolist()
        counts = torch.randint(0, 5, (3,), generator=stream).tolist()
        # A batch without any prediction has no mean.
        counts[0] = max(counts[0], 1)
        batch = text_batch(stream, vocab_size, seq_len=11, lengths=lengths)
        mask_words(stream, batch, counts)
        batches.append(batch)
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}


def trajectory(folder: Path, model: RobertaForMaskedLM) -> None:
    """From the weights of `masked_lm`, with RoBERTa's second beta and epsilon."""
    settings = Settings(
        bias_correction=True,
        schedule="linear",
        epsilon=1e-6,
        learning_rate=1e-3,
        warmup_steps=5,
        total_steps=30,
        max_grad_norm=0.5,
        beta_2=0.98,
    )
    batches = training_batches(settings.total_steps, model.config.vocab_size)
    write_trajectory(folder / "trajectory", model, batches, settings, loss_of_batch)


def layer_by_layer(folder: Path, heads: dict[str, Case]) -> None:
    """Fine-tuning with rates that fall from layer to layer."""
    rates = electras_rates(small_config().num_hidden_layers, decay=0.8)
    tasks = ["multi_label", "regress", "regress_several", "tag", "qa"]
    write_runs(folder, tasks, heads, text_batch, rates)
    write_runs(folder, ["classify", "choose"], heads, text_batch, rates, variant="decayed")
