"""BERT's cases.

    pretraining              both objectives, erf gelu, a padded row
    masked_lm                no pooler, tanh gelu, 37 words, three segment types, padded rows
    masked_lm_untied         the head with a matrix and a bias of its own
    encoder                  hidden states and pooled vector against fixed cotangents
    encoder_no_pooler        relu, three layers, four heads, a row padded on the left
    next_sentence            the pooled vector's head alone
    sequence_classification  three labels
    multi_label              three labels, each true or not
    regression               one number
    regression_several       three numbers
    token_classification     five labels, some positions not scored
    question_answering       start and end of a span; the softmax runs over padding too
    multiple_choice          three continuations each of two examples
    single_row_long          one row as long as the position table, a LayerNorm epsilon that shows
    golden                   weights from a formula; checked against numbers known beforehand
    trajectory_hf            thirty steps from `pretraining`, as torch and transformers take them
    trajectory_original      the same batches, as the original BERT code takes them
    trajectory_classify, trajectory_tag, trajectory_qa, trajectory_choose,
    trajectory_tag_weighed, trajectory_tag_frozen
                             thirty steps of fine-tuning; see fine_tuning.py
    trajectory_multi_label, trajectory_regress, trajectory_regress_several,
    trajectory_classify_decayed, trajectory_tag_decayed, trajectory_qa_decayed, trajectory_choose_decayed
                             the same, rates that fall by 0.8 a layer
    lora, trajectory_lora    low-rank adapters; see lora.py
    sift, sift_trajectory, sift_choose
                             scale-invariant fine-tuning of the classifier, and of choosing; see sift.py
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from . import head_cases
from .bert_golden import check_golden, golden, pretraining_loss
from .cases import (
    Case,
    Tensors,
    build,
    generator,
    loss_of_model,
    mask_words,
    pad_left,
    run,
    sentence_batch,
    set_weights,
    write_case,
)
from .fine_tuning import electras_rates, write_runs
from .lora import write_lora
from .sift import write_sift, write_sift_choices
from .trajectory import Settings, write_trajectory


def make_bert(folder: Path) -> None:
    """Writes every case of BERT below the folder."""
    pretraining_case, heads = pretraining(), fine_tuned()
    cases = [
        pretraining_case,
        masked_lm(),
        masked_lm_untied(),
        encoder(),
        encoder_no_pooler(),
        next_sentence(),
        *heads.values(),
        single_row_long(),
        golden(),
    ]
    check_golden()
    for case in cases:
        write_case(folder, case)
    trajectories(folder, pretraining_case.model)
    write_sift(folder, heads["sequence_classification"])
    write_lora(folder, heads["sequence_classification"])
    write_sift_choices(folder, heads["multiple_choice"])
    write_runs(folder, ["classify", "tag", "qa", "choose"], heads)
    write_runs(folder, ["tag"], heads, variant="weighed")
    write_runs(folder, ["tag"], heads, variant="frozen")
    layer_by_layer(folder, heads)


def small_config(**changes) -> BertConfig:
    """The configuration most cases vary; sizes are odd so that swapped axes do not fit."""
    fields = {
        "vocab_size": 53,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 37,
        "max_position_embeddings": 19,
    }
    return BertConfig(**(fields | changes))


def pretraining() -> Case:
    stream = generator("bert/pretraining")
    config = small_config()
    model = build(BertForPreTraining, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9, 11])
    mask_words(stream, inputs, counts=[4, 1, 2])
    inputs["next_sentence_label"] = torch.tensor([0, 1, 1])
    return Case("pretraining", model, inputs, pretraining_loss)


def masked_lm() -> Case:
    stream = generator("bert/masked_lm")
    config = small_config(
        vocab_size=37,
        hidden_size=20,
        num_attention_heads=5,
        hidden_act="gelu_new",
        type_vocab_size=3,
    )
    model = build(BertForMaskedLM, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=15, lengths=[12, 15, 7], segments=3)
    mask_words(stream, inputs, counts=[3, 5, 1])
    return Case("masked_lm", model, inputs, loss_of_model)


def masked_lm_untied() -> Case:
    stream = generator("bert/masked_lm_untied")
    config = small_config(tie_word_embeddings=False)
    model = build(BertForMaskedLM, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 8])
    mask_words(stream, inputs, counts=[4, 2])
    return Case("masked_lm_untied", model, inputs, loss_of_model)


def add_cotangents(stream: torch.Generator, model: BertModel, inputs: Tensors) -> None:
    """Adds cotangent.NAME, the weights of output NAME in the loss, for every output.

    They have their output's sign: terms of both signs would cancel, and the loss lose digits. They
    are 0 at padding, where outputs mean nothing.
    """
    with torch.no_grad():
        outputs = run(model, inputs)
    for name, output in outputs.items():
        inputs[f"cotangent.{name}"] = output.sign() * torch.rand(output.shape, generator=stream)
    inputs["cotangent.last_hidden_state"] *= inputs["attention_mask"].unsqueeze(-1)


def cotangent_loss(outputs: Tensors, inputs: Tensors) -> Tensor:
    """The sum of every output times its cotangent."""
    prefix = "cotangent."
    weights = {name: tensor for name, tensor in inputs.items() if name.startswith(prefix)}
    return sum((outputs[name[len(prefix) :]] * weight).sum() for name, weight in weights.items())


def encoder() -> Case:
    stream = generator("bert/encoder")
    config = small_config(hidden_size=18, num_attention_heads=2)
    model = build(BertModel, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=11, lengths=[11, 8, 5])
    add_cotangents(stream, model, inputs)
    return Case("encoder", model, inputs, cotangent_loss)


def encoder_no_pooler() -> Case:
    stream = generator("bert/encoder_no_pooler")
    config = small_config(num_hidden_layers=3, num_attention_heads=4, hidden_act="relu")
    model = build(BertModel, config, add_pooling_layer=False)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 10])
    pad_left(inputs, row=1)
    add_cotangents(stream, model, inputs)
    return Case("encoder_no_pooler", model, inputs, cotangent_loss)


def next_sentence() -> Case:
    stream = generator("bert/next_sentence")
    config = small_config()
    model = build(BertForNextSentencePrediction, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=11, lengths=[11, 7, 9, 10])
    inputs["labels"] = torch.tensor([1, 0, 0, 1])
    return Case("next_sentence", model, inputs, loss_of_model)


def fine_tuned() -> dict[str, Case]:
    """The cases that fine-tuning starts from, by name."""
    # With 53 words float32 loses digits of some small gradients of biases.
    config_of = partial(small_config, vocab_size=47)
    cases = [
        sequence_classification(),
        *head_cases.real_labels("bert", BertForSequenceClassification, config_of),
        token_classification(),
        question_answering(),
        multiple_choice(),
    ]
    return {case.name: case for case in cases}


def sequence_classification() -> Case:
    config = small_config(num_labels=3, problem_type="single_label_classification")
    labels = torch.tensor([2, 0, 1, 2])
    return head_cases.classification("bert", BertForSequenceClassification, config, labels)


def token_classification() -> Case:
    config = small_config(num_labels=5)
    return head_cases.tagging("bert", BertForTokenClassification, config)


def question_answering() -> Case:
    return head_cases.answering("bert", BertForQuestionAnswering, small_config())


def multiple_choice() -> Case:
    return head_cases.choosing("bert", BertForMultipleChoice, small_config())


def single_row_long() -> Case:
    stream = generator("bert/single_row_long")
    config = small_config(max_position_embeddings=41, layer_norm_eps=1e-7)
    model = build(BertForPreTraining, config)
    # Tables this small give sums with a variance near 1e-5, where an epsilon of 1e-7 counts.
    set_weights(model, stream, embedding_std=0.002)
    seq_len = config.max_position_embeddings
    inputs = sentence_batch(stream, config.vocab_size, seq_len, lengths=[seq_len])
    mask_words(stream, inputs, counts=[6])
    inputs["next_sentence_label"] = torch.tensor([0])
    return Case("single_row_long", model, inputs, pretraining_loss)


def loss_of_batch(model: BertForPreTraining, batch: Tensors) -> Tensor:
    return model(**batch).loss


def training_batches(steps: int, vocab_size: int) -> Tensors:
    """Different batches of three rows, stacked; rows have zero to four predictions."""
    stream = generator("bert/trajectory")
    batches = []
    for _ in range(steps):
        lengths = torch.randint(8, 12, (3,), generator=stream).tolist()
        counts = torch.randint(0, 5, (3,), generator=stream).tolist()
        # A batch without any prediction has no mean.
        counts[0] = max(counts[0], 1)
        batch = sentence_batch(stream, vocab_size, seq_len=11, lengths=lengths)
        mask_words(stream, batch, counts)
        batch["next_sentence_label"] = torch.randint(0, 2, (3,), generator=stream)
        batches.append(batch)
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}


def trajectories(folder: Path, model: BertForPreTraining) -> None:
    """Both runs start from the weights of `pretraining` and see the same batches."""
    common = {"learning_rate": 1e-3, "warmup_steps": 5, "total_steps": 30, "max_grad_norm": 0.5}
    hugging_face = Settings(bias_correction=True, schedule="linear", epsilon=1e-8, **common)
    original = Settings(bias_correction=False, schedule="original", epsilon=1e-6, **common)
    batches = training_batches(common["total_steps"], model.config.vocab_size)
    write_trajectory(folder / "trajectory_hf", model, batches, hugging_face, loss_of_batch)
    write_trajectory(folder / "trajectory_original", model, batches, original, loss_of_batch)


def layer_by_layer(folder: Path, heads: dict[str, Case]) -> None:
    """Fine-tuning with rates that fall from layer to layer."""
    rates = electras_rates(small_config().num_hidden_layers, decay=0.8)
    tasks = ["multi_label", "regress", "regress_several"]
    write_runs(folder, tasks, heads, rate_factor=rates)
    tasks = ["classify", "tag", "qa", "choose"]
    write_runs(folder, tasks, heads, rate_factor=rates, variant="decayed")
