"""The cases of DeBERTa's pretraining objectives.

    joint_disentangled        replaced token detection, both losses at once: a difference of tables
    joint_shared              the same with one word table
    joint_none                the same with nothing shared, the generator narrower
    trajectory_mlm            thirty steps of masked language modelling by the enhanced mask decoder
    trajectory_alternating    thirty steps in turns, a difference of tables
    trajectory_shared         the same with one word table, which both optimizers move
    trajectory_joint          thirty steps on the sum of both losses, a difference of tables

transformers has neither the enhanced mask decoder nor replaced token detection. The decoder here is
its own last layer with other queries, which is held against the papers' formulas in `deberta.py`.
"""

import copy
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import DebertaV2Config
from transformers import DebertaV2ForMaskedLM as EncoderAndHead

from .cases import (
    PAD,
    Case,
    Tensors,
    build,
    loss_of_model,
    set_weights,
    write_case,
    write_tensors,
)
from .cases import generator as random_stream
from .deberta import DebertaV2ForPreTraining
from .electra import joint_batch, losses_of_batch, training_batches
from .trajectory import HuggingFaceUpdate, Losses, Settings, write_trajectory

DISCRIMINATOR_WEIGHT = 10.0
"""`rtd_lambda` of the original's scripts."""

PASSES = 2
"""How often the last layer runs as the mask decoder."""


def make_objectives(folder: Path) -> None:
    """Writes every case of the objectives below the folder."""
    disentangled, shared = joint_disentangled(), joint_shared()
    for case in (disentangled, shared, joint_none()):
        write_case(folder, case)
    trajectories(folder, disentangled.model, shared.model)


def small_config(**changes) -> DebertaV2Config:
    """v3's kind of encoder; the longest row goes beyond the buckets of single distances."""
    fields = {
        "vocab_size": 59,
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 21,
        "max_position_embeddings": 16,
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": "p2c|c2p",
        "position_buckets": 8,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pad_token_id": PAD,
    }
    return DebertaV2Config(**(fields | changes))


def generator_config(**changes) -> DebertaV2Config:
    """Fewer layers, and the original's head."""
    return small_config(**({"num_hidden_layers": 2, "legacy": False} | changes))


# --- the models ------------------------------------------------------------------------------


class DebertaV2ForMaskedLM(EncoderAndHead):
    """A masked language model with the enhanced mask decoder (He et al. 2021, section 3.2):
    q0 = h + z; q1, q2 = the last layer with these queries, keys and values always h; h from the
    last layer but one, z the positions' rows as they are."""

    def __init__(self, config: DebertaV2Config):
        super().__init__(config)
        # Not in the encoder's input: `position_biased_input` is false.
        self.deberta.embeddings.position_embeddings = torch.nn.Embedding(
            config.max_position_embeddings, config.hidden_size
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """The logits [batch, seq_len, vocab_size]."""
        encoder, embeddings = self.deberta.encoder, self.deberta.embeddings
        outputs = self.deberta(
            input_ids, attention_mask, token_type_ids, output_hidden_states=True
        )
        *_, states, _ = outputs.hidden_states
        shared = {
            "attention_mask": encoder.get_attention_mask(attention_mask),
            "relative_pos": encoder.get_rel_pos(states),
            "rel_embeddings": encoder.get_rel_embedding(),
        }
        queries = states + embeddings.position_embeddings.weight[: states.shape[1]]
        for _ in range(PASSES):
            queries, _ = encoder.layer[-1](states, query_states=queries, **shared)
        return self.lm_predictions(queries, embeddings.word_embeddings)

    def loss(self, batch: Tensors) -> tuple[Tensor, Tensor]:
        """The mean over used slots, and the logits [batch, slots, vocab_size]."""
        positions, labels, weights = (batch[name] for name in ("positions", "labels", "weights"))
        rows = torch.arange(len(positions)).unsqueeze(1)
        logits = self(batch["input_ids"], **for_both(batch))[rows, positions]
        losses = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none"
        )
        return (losses * weights.flatten()).sum() / weights.sum(), logits


class DisentangledTable(torch.nn.Module):
    """The generator's words, without a gradient to them, plus a difference (He et al. 2023, section
    3.3): E_D = stop_gradient(E_G) + E_difference."""

    def __init__(self, of_generator: torch.nn.Embedding):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros_like(of_generator.weight))
        # Past torch's register: its parameter is the generator's alone.
        self.__dict__["of_generator"] = of_generator

    def table(self) -> Tensor:
        return self.of_generator.weight.detach() + self.weight

    def forward(self, input_ids: Tensor) -> Tensor:
        # As everywhere in transformers, the row of padding gets no gradient from a lookup.
        return functional.embedding(input_ids, self.table(), padding_idx=PAD)


def for_both(batch: Tensors) -> Tensors:
    return {name: batch[name] for name in ("attention_mask", "token_type_ids")}


class Pair(torch.nn.Module):
    """Generator and discriminator. A shared word table is the generator's parameter; a difference
    stands in the place of the discriminator's table."""

    def __init__(self, discriminator: DebertaV2Config, generator: DebertaV2Config):
        super().__init__()
        self.generator = build(DebertaV2ForMaskedLM, generator)
        self.discriminator = build(DebertaV2ForPreTraining, discriminator)

    def share(self) -> None:
        self.discriminator.deberta.embeddings.word_embeddings = self.words()

    def disentangle(self) -> None:
        table = DisentangledTable(self.words())
        self.discriminator.deberta.embeddings.word_embeddings = table

    def words(self) -> torch.nn.Embedding:
        return self.generator.deberta.embeddings.word_embeddings

    def detect(self, batch: Tensors) -> Tensors:
        """The discriminator's side: the samples stand in the original text, not in the masked one."""
        positions, samples = batch["positions"], batch["samples"]
        rows = torch.arange(len(positions)).unsqueeze(1).expand_as(positions)
        is_used = batch["weights"] == 1
        corrupted_ids = batch["original_ids"].clone()
        corrupted_ids[rows[is_used], positions[is_used]] = samples[is_used]
        replaced = (corrupted_ids != batch["original_ids"]).long()
        outputs = self.discriminator(corrupted_ids, labels=replaced, **for_both(batch))
        return {
            "corrupted_ids": corrupted_ids,
            "replaced": replaced,
            "discriminator_logits": outputs["logits"],
            "discriminator_loss": outputs["loss"],
        }

    def forward(self, **batch: Tensor) -> Tensors:
        """Both losses of one batch, as `electra.joint_batch` makes them."""
        generator_loss, generator_logits = self.generator.loss(batch)
        detected = self.detect(batch)
        loss = generator_loss + DISCRIMINATOR_WEIGHT * detected["discriminator_loss"]
        return detected | {
            "generator_logits": generator_logits,
            "generator_loss": generator_loss,
            "loss": loss,
        }

    def save_pretrained(self, folder: Path) -> None:
        """Writes two folders that open by themselves, and the difference if there is one."""
        self.generator.save_pretrained(folder / "generator")
        state = self.discriminator.state_dict()
        words = self.discriminator.deberta.embeddings.word_embeddings
        if isinstance(words, DisentangledTable):
            name = "deberta.embeddings.word_embeddings.weight"
            difference = {"weight": state[name]}
            write_tensors(folder / "embedding_difference.safetensors", difference)
            state[name] = words.table().detach()
        self.discriminator.save_pretrained(folder / "discriminator", state_dict=state)


# --- one step --------------------------------------------------------------------------------


def joint_case(name: str, pair: Pair) -> Case:
    stream = random_stream(f"deberta/{name}")
    set_weights(pair, stream)
    inputs = joint_batch(
        stream,
        pair.generator.config.vocab_size,
        seq_len=15,
        lengths=[15, 9, 12],
        counts=[5, 1, 3],
        slots=6,
    )
    return Case(name, pair, inputs, loss_of_model)


def joint_disentangled() -> Case:
    pair = Pair(small_config(), generator_config())
    pair.disentangle()
    return joint_case("joint_disentangled", pair)


def joint_shared() -> Case:
    pair = Pair(small_config(), generator_config())
    pair.share()
    return joint_case("joint_shared", pair)


def joint_none() -> Case:
    pair = Pair(small_config(), generator_config(hidden_size=12, intermediate_size=17))
    return joint_case("joint_none", pair)


# --- thirty steps ----------------------------------------------------------------------------


def trajectories(folder: Path, disentangled: Pair, shared: Pair) -> None:
    """All see the same batches. `trajectory_mlm` starts from the generator of
    `joint_disentangled`, `trajectory_shared` from `joint_shared`, the others from
    `joint_disentangled`."""
    steps = 30
    settings = Settings(
        bias_correction=True,
        schedule="linear",
        epsilon=1e-8,
        learning_rate=1e-3,
        warmup_steps=5,
        total_steps=steps,
        max_grad_norm=1.0,
    )
    stream = random_stream("deberta/trajectory")
    batches = training_batches(stream, steps, disentangled.generator.config.vocab_size)

    def write(name: str, model: torch.nn.Module, loss_of: Losses, **how) -> None:
        write_trajectory(folder / name, model, batches, settings, loss_of, **how)

    write("trajectory_mlm", disentangled.generator, lambda model, batch: model.loss(batch)[0])
    write("trajectory_joint", disentangled, losses_of_batch)
    in_turns = {"train": train_in_turns}
    write("trajectory_alternating", disentangled, losses_of_batch, **in_turns)
    write("trajectory_shared", shared, losses_of_batch, **in_turns)


def train_in_turns(
    pair: Pair, batches: Iterable[Tensors], settings: Settings, _: Losses, dtype: torch.dtype
) -> tuple[Tensors, Tensors]:
    """`trajectory.train` in turns (He et al. 2023, section 3.3): the generator steps on its loss, then
    the discriminator on its own, with the words of the generator that has stepped and the samples
    drawn before. Each has its norm, its clipping and its optimizer, also for what both own.

    `grad_norms` are the roots of both squares together, each before its clipping.
    """
    pair = copy.deepcopy(pair).to(dtype)
    of_generator = HuggingFaceUpdate(pair.generator, settings)
    of_discriminator = HuggingFaceUpdate(pair.discriminator, settings)
    curves: dict[str, list[float]] = defaultdict(list)
    for batch in batches:
        pair.zero_grad()
        generator_loss, _ = pair.generator.loss(batch)
        generator_loss.backward()
        generator_norm, rate = of_generator.step()

        pair.zero_grad()
        discriminator_loss = pair.detect(batch)["discriminator_loss"]
        share = DISCRIMINATOR_WEIGHT * discriminator_loss
        share.backward()
        discriminator_norm, _ = of_discriminator.step()

        for name, value in {
            "losses": (generator_loss + share).item(),
            "generator_losses": generator_loss.item(),
            "discriminator_losses": discriminator_loss.item(),
            "generator_norms": generator_norm,
            "discriminator_norms": discriminator_norm,
            "grad_norms": (generator_norm**2 + discriminator_norm**2) ** 0.5,
            "learning_rates": rate,
        }.items():
            curves[name].append(value)
    if min(curves["generator_norms"] + curves["discriminator_norms"]) <= settings.max_grad_norm:
        raise SystemExit("a part of a step was not clipped")
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in curves.items()}
    return tensors, {name: p.detach() for name, p in pair.named_parameters()}
