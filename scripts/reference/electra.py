"""ELECTRA's cases.

    generator                 masked LM; a table wider than the encoder, padded rows
    generator_narrow          a third of the discriminator's width; relu, except in the head
    generator_untied          a head with a matrix of its own
    discriminator             replaced or not at every real token, padded rows
    discriminator_same_width  no projection; relu, in the head too
    encoder                   hidden states against fixed cotangents, three segment types
    sequence_classification   three labels, from the first position
    multi_label               three labels, each true or not
    regression                one number
    regression_several        three numbers
    token_classification      five labels, some positions not scored
    question_answering        start and end of a span; the softmax runs over padding too
    multiple_choice           three continuations each of two examples, summed up by the first position
    multiple_choice_mean      the same without padding, by the mean of all positions, relu, no projection
    single_row_long           one row as long as the position table, a LayerNorm epsilon that shows
    joint                     the step of pretraining: both losses, a shared embedding block
    joint_untied              the same with two embedding blocks of different widths
    joint_all_tied            the same with one encoder: the heads alone are the generator's own
    trajectory_hf             thirty steps from `joint`, as torch and transformers take them
    trajectory_original       the same batches, as the original ELECTRA code takes them
    trajectory_classify, trajectory_multi_label, trajectory_regress, trajectory_regress_several,
    trajectory_tag, trajectory_qa, trajectory_choose
                              thirty steps of fine-tuning, rates that fall by 0.8 a layer; see fine_tuning.py
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForMultipleChoice,
    ElectraForPreTraining,
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
    ElectraModel,
)

from . import head_cases
from .bert import add_cotangents, cotangent_loss
from .cases import (
    IGNORED,
    LARGEST_LOSS_GAP,
    PAD,
    Case,
    Tensors,
    build,
    loss_of_model,
    mask_words,
    relative_gap,
    run,
    sentence_batch,
    set_weights,
    write_case,
)
from .cases import generator as random_stream
from .fine_tuning import electras_rates, write_runs
from .trajectory import Settings, write_trajectory

GENERATOR_WEIGHT = 1.0
DISCRIMINATOR_WEIGHT = 50.0
"""The paper's lambda."""


def make_electra(folder: Path) -> None:
    """Writes every case of ELECTRA below the folder."""
    joint_case, heads = joint(), fine_tuned()
    cases = [
        generator(),
        generator_narrow(),
        generator_untied(),
        discriminator(),
        discriminator_same_width(),
        encoder(),
        *heads.values(),
        multiple_choice_mean(),
        single_row_long(),
        joint_case,
        joint_untied(),
        joint_all_tied(),
    ]
    for case in cases:
        write_case(folder, case)
    trajectories(folder, joint_case.model)
    layer_by_layer(folder, heads)


def small_config(**changes) -> ElectraConfig:
    """The configuration most cases vary; sizes are odd so that swapped axes do not fit."""
    fields = {
        "vocab_size": 53,
        "embedding_size": 16,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 37,
        "max_position_embeddings": 19,
    }
    return ElectraConfig(**(fields | changes))


def generator_config(**changes) -> ElectraConfig:
    """The same embeddings under half the width, with feed-forward layers of their own size."""
    fields = {"hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 29}
    return small_config(**(fields | changes))


# --- either model alone ----------------------------------------------------------------------


def generator() -> Case:
    stream = random_stream("electra/generator")
    config = generator_config()
    model = build(ElectraForMaskedLM, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9])
    mask_words(stream, inputs, counts=[4, 1])
    return Case("generator", model, inputs, loss_of_model)


def generator_narrow() -> Case:
    stream = random_stream("electra/generator_narrow")
    config = generator_config(hidden_size=8, hidden_act="relu")
    model = build(ElectraForMaskedLM, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=15, lengths=[12, 15, 7])
    mask_words(stream, inputs, counts=[3, 5, 1])
    return Case("generator_narrow", model, inputs, loss_of_model)


def generator_untied() -> Case:
    stream = random_stream("electra/generator_untied")
    config = generator_config(tie_word_embeddings=False)
    model = build(ElectraForMaskedLM, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9])
    mask_words(stream, inputs, counts=[4, 1])
    return Case("generator_untied", model, inputs, loss_of_model)


def add_replaced(stream: torch.Generator, inputs: Tensors) -> None:
    """Adds `labels`, 1 at every fourth position or so; at padding too, where they do not count."""
    shape = inputs["input_ids"].shape
    inputs["labels"] = (torch.rand(shape, generator=stream) < 0.25).long()


def detection_loss(logits: Tensor, labels: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean over real tokens, [CLS] and [SEP] among them, of the binary cross entropy."""
    losses = binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    return (losses * attention_mask).sum() / attention_mask.sum()


def discriminator_objective(outputs: Tensors, inputs: Tensors) -> Tensor:
    """The discriminator's loss in full precision: transformers rounds it to float32."""
    loss = detection_loss(outputs["logits"], inputs["labels"], inputs["attention_mask"])
    check_same("the discriminator's loss", loss, outputs["loss"])
    return loss


def check_same(name: str, found: Tensor, of_transformers: Tensor) -> None:
    """Ends the script where a loss written here is not the one of transformers."""
    gap = relative_gap(of_transformers.detach(), found.detach(), floor=0.0)
    if not gap <= LARGEST_LOSS_GAP:
        raise SystemExit(f"{name}: found {found}, transformers says {of_transformers}")


def discriminator() -> Case:
    stream = random_stream("electra/discriminator")
    config = small_config()
    model = build(ElectraForPreTraining, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9, 11])
    add_replaced(stream, inputs)
    return Case("discriminator", model, inputs, discriminator_objective)


def discriminator_same_width() -> Case:
    stream = random_stream("electra/discriminator_same_width")
    config = small_config(
        embedding_size=20, hidden_size=20, num_attention_heads=5, hidden_act="relu"
    )
    model = build(ElectraForPreTraining, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=11, lengths=[7, 11])
    add_replaced(stream, inputs)
    return Case("discriminator_same_width", model, inputs, discriminator_objective)


def encoder() -> Case:
    stream = random_stream("electra/encoder")
    config = small_config(hidden_size=18, num_attention_heads=2, type_vocab_size=3)
    model = build(ElectraModel, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=11, lengths=[11, 8, 7], segments=3)
    add_cotangents(stream, model, inputs)
    return Case("encoder", model, inputs, cotangent_loss)


def fine_tuned() -> dict[str, Case]:
    """The cases that fine-tuning starts from, by name."""
    # With 53 words float32 loses digits of some small gradients of biases.
    config_of = partial(small_config, vocab_size=47)
    cases = [
        sequence_classification(),
        *head_cases.real_labels("electra", ElectraForSequenceClassification, config_of),
        token_classification(),
        question_answering(),
        multiple_choice(),
    ]
    return {case.name: case for case in cases}


def sequence_classification() -> Case:
    config = small_config(num_labels=3, problem_type="single_label_classification")
    labels = torch.tensor([2, 0, 1, 2])
    return head_cases.classification("electra", ElectraForSequenceClassification, config, labels)


def token_classification() -> Case:
    config = small_config(num_labels=5)
    return head_cases.tagging("electra", ElectraForTokenClassification, config)


def question_answering() -> Case:
    return head_cases.answering("electra", ElectraForQuestionAnswering, small_config())


def multiple_choice() -> Case:
    return head_cases.choosing("electra", ElectraForMultipleChoice, small_config())


def multiple_choice_mean() -> Case:
    config = small_config(
        num_hidden_layers=1,
        summary_type="mean",
        summary_use_proj=False,
        summary_activation="relu",
    )
    # transformers takes padding into the mean; where there is none, both have the same.
    case = head_cases.choosing("electra", ElectraForMultipleChoice, config, lengths=[9] * 6)
    return replace(case, name="multiple_choice_mean")


def single_row_long() -> Case:
    stream = random_stream("electra/single_row_long")
    config = small_config(max_position_embeddings=41, layer_norm_eps=1e-7)
    model = build(ElectraForPreTraining, config)
    # Tables this small give sums with a variance near 1e-5, where an epsilon of 1e-7 counts.
    set_weights(model, stream, embedding_std=0.002)
    seq_len = config.max_position_embeddings
    inputs = sentence_batch(stream, config.vocab_size, seq_len, lengths=[seq_len])
    add_replaced(stream, inputs)
    return Case("single_row_long", model, inputs, discriminator_objective)


# --- both together ---------------------------------------------------------------------------


class JointModel(torch.nn.Module):
    """Both models and the loss of one step of pretraining (Clark et al. 2020, section 2).

    What they share counts as the discriminator's: the parameters are discriminator.NAME, and
    generator.NAME for the generator's own.
    """

    def __init__(self, discriminator: ElectraForPreTraining, generator: ElectraForMaskedLM):
        super().__init__()
        self.discriminator = discriminator
        self.generator = generator

    def share_embeddings(self) -> None:
        """One block for both: word, position and segment tables, LayerNorm, and the decoder."""
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.tie_decoder()

    def share_encoder(self) -> None:
        """One encoder for both, with its embeddings."""
        self.generator.electra = self.discriminator.electra
        self.tie_decoder()

    def tie_decoder(self) -> None:
        self.generator.generator_lm_head.weight = self.generator.get_input_embeddings().weight

    def forward(
        self,
        input_ids: Tensor,
        original_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        positions: Tensor,
        labels: Tensor,
        weights: Tensor,
        samples: Tensor,
    ) -> Tensors:
        """The step's results; slot s of row b stands for position positions[b, s].

        input_ids (masked), original_ids, attention_mask, token_type_ids: [batch, seq_len].
        positions, labels, weights (1: used, 0: not), samples (given, not drawn): [batch, slots].
        """
        for_both = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        rows = torch.arange(len(positions)).unsqueeze(1)

        hidden_states = self.generator.electra(input_ids, **for_both).last_hidden_state
        predictions = self.generator.generator_predictions(hidden_states[rows, positions])
        generator_logits = self.generator.generator_lm_head(predictions)
        losses = cross_entropy(generator_logits.flatten(0, 1), labels.flatten(), reduction="none")
        generator_loss = (losses * weights.flatten()).sum() / weights.sum()

        # The samples stand in the original text, not in the masked one.
        is_used = weights == 1
        corrupted_ids = original_ids.clone()
        corrupted_ids[rows.expand_as(positions)[is_used], positions[is_used]] = samples[is_used]
        replaced = (corrupted_ids != original_ids).long()
        discriminator_logits = self.discriminator(corrupted_ids, **for_both).logits
        discriminator_loss = detection_loss(discriminator_logits, replaced, attention_mask)

        return {
            "generator_logits": generator_logits,
            "generator_loss": generator_loss,
            "corrupted_ids": corrupted_ids,
            "replaced": replaced,
            "discriminator_logits": discriminator_logits,
            "discriminator_loss": discriminator_loss,
            "loss": GENERATOR_WEIGHT * generator_loss + DISCRIMINATOR_WEIGHT * discriminator_loss,
        }

    def save_pretrained(self, folder: Path) -> None:
        """Writes two folders that open by themselves; each holds what is shared."""
        self.discriminator.save_pretrained(folder / "discriminator")
        self.generator.save_pretrained(folder / "generator")


def joint_batch(
    stream: torch.Generator,
    vocab_size: int,
    seq_len: int,
    lengths: list[int],
    counts: list[int],
    slots: int,
) -> Tensors:
    """The arguments of `JointModel`: counts[row] words of each row are chosen.

    Every seventh chosen word stays visible, every fourth sample is the true token. The unused slots
    stand for position 0 and label 0; their samples are arbitrary.
    """
    batch = sentence_batch(stream, vocab_size, seq_len, lengths)
    original_ids = batch["input_ids"].clone()
    mask_words(stream, batch, counts)
    is_chosen = batch.pop("labels") != IGNORED

    shape = (len(counts), slots)
    positions = torch.zeros(shape, dtype=torch.int64)
    labels = torch.zeros(shape, dtype=torch.int64)
    weights = torch.zeros(shape)
    # Not [PAD]: transformers keeps the gradient of a lookup from its row, even in a text.
    samples = torch.randint(PAD + 1, vocab_size, shape, generator=stream)

    row, position = is_chosen.nonzero(as_tuple=True)
    slot = torch.cat([torch.arange(count) for count in counts])
    positions[row, slot] = position
    labels[row, slot] = original_ids[row, position]
    weights[row, slot] = 1
    batch["input_ids"][row[6::7], position[6::7]] = original_ids[row[6::7], position[6::7]]
    samples[row[1::4], slot[1::4]] = labels[row[1::4], slot[1::4]]
    return batch | {
        "original_ids": original_ids,
        "positions": positions,
        "labels": labels,
        "weights": weights,
        "samples": samples,
    }


def joint_case(name: str, stream: torch.Generator, model: JointModel) -> Case:
    """Sets the weights and draws the batch."""
    set_weights(model, stream)
    vocab_size = model.discriminator.config.vocab_size
    inputs = joint_batch(
        stream, vocab_size, seq_len=13, lengths=[13, 9, 11], counts=[5, 1, 3], slots=6
    )
    check_joint(model, inputs)
    return Case(name, model, inputs, loss_of_model)


def check_joint(model: JointModel, inputs: Tensors) -> None:
    """Compares both parts of the loss with what the classes of transformers compute."""
    for_both = {name: inputs[name] for name in ("attention_mask", "token_type_ids")}
    row, slot = inputs["weights"].nonzero(as_tuple=True)
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    labels[row, inputs["positions"][row, slot]] = inputs["labels"][row, slot]
    with torch.no_grad():
        outputs = run(model, inputs)
        masked_lm = model.generator(inputs["input_ids"], labels=labels, **for_both)
        detection = model.discriminator(
            outputs["corrupted_ids"], labels=outputs["replaced"], **for_both
        )
    check_same("the generator's part", outputs["generator_loss"], masked_lm.loss)
    check_same("the discriminator's part", outputs["discriminator_loss"], detection.loss)


def joint() -> Case:
    stream = random_stream("electra/joint")
    model = JointModel(
        build(ElectraForPreTraining, small_config()),
        build(ElectraForMaskedLM, generator_config()),
    )
    model.share_embeddings()
    return joint_case("joint", stream, model)


def joint_untied() -> Case:
    stream = random_stream("electra/joint_untied")
    width = generator_config().hidden_size
    model = JointModel(
        build(ElectraForPreTraining, small_config()),
        build(ElectraForMaskedLM, generator_config(embedding_size=width)),
    )
    return joint_case("joint_untied", stream, model)


def joint_all_tied() -> Case:
    stream = random_stream("electra/joint_all_tied")
    model = JointModel(
        build(ElectraForPreTraining, small_config()),
        build(ElectraForMaskedLM, small_config()),
    )
    model.share_encoder()
    return joint_case("joint_all_tied", stream, model)


def losses_of_batch(model: torch.nn.Module, batch: Tensors) -> Tensors:
    outputs = run(model, batch)
    return {name: outputs[name] for name in ("loss", "generator_loss", "discriminator_loss")}


def training_batches(stream: torch.Generator, steps: int, vocab_size: int) -> Tensors:
    """Different batches of three rows, stacked; rows have zero to four chosen words."""
    batches = []
    for _ in range(steps):
        lengths = torch.randint(8, 12, (3,), generator=stream).tolist()
        counts = torch.randint(0, 5, (3,), generator=stream).tolist()
        # A batch without any prediction has no mean.
        counts[0] = max(counts[0], 1)
        batches.append(
            joint_batch(stream, vocab_size, seq_len=11, lengths=lengths, counts=counts, slots=5)
        )
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}


def trajectories(folder: Path, model: JointModel) -> None:
    """Both runs start from the weights of `joint` and see the same batches.

    One optimizer has the parameters of both models, and one norm clips them all.
    """
    common = {"learning_rate": 1e-3, "warmup_steps": 5, "total_steps": 30, "max_grad_norm": 1.0}
    hugging_face = Settings(bias_correction=True, schedule="linear", epsilon=1e-8, **common)
    original = Settings(bias_correction=False, schedule="electra", epsilon=1e-6, **common)
    stream = random_stream("electra/trajectory")
    vocab_size = model.discriminator.config.vocab_size
    batches = training_batches(stream, common["total_steps"], vocab_size)
    write_trajectory(folder / "trajectory_hf", model, batches, hugging_face, losses_of_batch)
    write_trajectory(folder / "trajectory_original", model, batches, original, losses_of_batch)


def layer_by_layer(folder: Path, heads: dict[str, Case]) -> None:
    """Fine-tuning with rates that fall from layer to layer."""
    rates = electras_rates(small_config().num_hidden_layers, decay=0.8)
    tasks = ["classify", "multi_label", "regress", "regress_several", "tag", "qa", "choose"]
    write_runs(folder, tasks, heads, rate_factor=rates)
