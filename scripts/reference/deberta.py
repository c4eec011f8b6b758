"""DeBERTa's cases.

    v1_both                   both terms by position; distances beyond the largest; padded rows
    v1_content_to_position    one term
    v1_position_to_content    the other
    v1_plain                  no relative positions, absolute ones and segments in the input
    v1_masked_lm              Hugging Face's own head
    v2_own_projections        position keys and queries with matrices of their own
    v2_content_to_position    one term, with the content's projections
    v2_position_to_content    the other, with a matrix of its own
    v2_plain                  no relative positions, but terms that still count in the scale
    v2_inputs                 absolute positions, segments and a projection in the input
    v2_conv                   the convolution beside the first layer, gelu
    v2_conv_groups            the same in two groups, tanh
    v3                        shared projections, logarithmic buckets, a norm on the embeddings
    v3_long                   a row as long as the positions, far beyond the buckets
    v3_short                  the largest distance below half the buckets
    masked_lm                 Hugging Face's own head
    masked_lm_narrow          the same on embeddings narrower than the encoder
    masked_lm_untied          Hugging Face's own head with a matrix and a bias of its own
    masked_lm_plain           the original's head on the last layer
    sequence_classification   three labels, no problem type
    soft_labels               rows of probabilities, no problem type
    multi_label               three labels, each true or not
    regression                one number
    regression_several        three numbers
    token_classification      five labels, some positions not scored
    question_answering        start and end of a span; the softmax runs over padding too
    multiple_choice           three continuations each of two examples
    v1_sequence_classification, v1_token_classification, v1_question_answering
                              the same of the first version, with a problem type
    enhanced                  the enhanced mask decoder of the original, v3's attention
    enhanced_v1               the same on v1's attention
    enhanced_conv             the same behind a convolution, position keys of their own
    discriminator             v3's head for replaced tokens
    trajectory_multi_label    thirty steps of fine-tuning, see `fine_tuning.py`
    trajectory_classify, trajectory_multi_label_decayed, trajectory_regress, trajectory_regress_several,
    trajectory_tag, trajectory_qa, trajectory_choose, trajectory_classify_v1
                              the same, rates that fall by 0.8 a layer
    sift                      SiFT on `sequence_classification`, see `sift.py`
    log_buckets               which bucket a distance falls into

transformers has neither the enhanced mask decoder nor the discriminator's head: both are written
here from the papers' formulas, attention included, and the attention is first held against that of
transformers.
"""

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    DebertaConfig,
    DebertaForMaskedLM,
    DebertaForQuestionAnswering,
    DebertaForSequenceClassification,
    DebertaForTokenClassification,
    DebertaModel,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DebertaV2ForMultipleChoice,
    DebertaV2ForQuestionAnswering,
    DebertaV2ForSequenceClassification,
    DebertaV2ForTokenClassification,
    DebertaV2Model,
    PreTrainedModel,
)
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DebertaV2PreTrainedModel,
    make_log_bucket_position,
)

from . import head_cases
from .bert import add_cotangents, cotangent_loss
from .cases import (
    IGNORED,
    Case,
    Tensors,
    build,
    loss_of_model,
    mask_words,
    pad_left,
    relative_gap,
    sentence_batch,
    set_weights,
    write_case,
    write_tensors,
)
from .cases import generator as random_stream
from .fine_tuning import electras_rates, write_fine_tuning, write_runs
from .sift import write_sift_pass

LARGEST_FORMULA_GAP = 1e-6
"""How far this file's attention may be from that of transformers, in single precision."""


def make_deberta(folder: Path) -> None:
    """Writes every case of DeBERTa below the folder."""
    heads, v1_heads = fine_tuned(), v1_fine_tuned()
    cases = [
        v1_both(),
        v1_content_to_position(),
        v1_position_to_content(),
        v1_plain(),
        v1_masked_lm(),
        v2_own_projections(),
        v2_content_to_position(),
        v2_position_to_content(),
        v2_plain(),
        v2_inputs(),
        v2_conv(),
        v2_conv_groups(),
        v3(),
        v3_long(),
        v3_short(),
        masked_lm(),
        masked_lm_narrow(),
        masked_lm_untied(),
        masked_lm_plain(),
        *heads.values(),
        soft_labels(),
        *v1_heads.values(),
        enhanced(),
        enhanced_v1(),
        enhanced_conv(),
        discriminator(),
    ]
    for case in cases:
        write_case(folder, case)
    write_runs(folder, ["multi_label"], heads)
    layer_by_layer(folder, heads, v1_heads)
    write_sift_pass(folder, sift_classifier(), random_stream("deberta/sift"))
    log_buckets(folder / "log_buckets")
    short_buckets(folder / "log_buckets_short")


SIZES = {
    "vocab_size": 47,
    "hidden_size": 18,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 25,
    "max_position_embeddings": 19,
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": "c2p|p2c",
}
"""Odd, so that swapped axes do not fit."""

V3 = {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_buckets": 6}


def v1_config(**changes) -> DebertaConfig:
    return DebertaConfig(**(SIZES | changes))


def v2_config(**changes) -> DebertaV2Config:
    return DebertaV2Config(**(SIZES | changes))


def v3_config(**changes) -> DebertaV2Config:
    return v2_config(**(V3 | changes))


# --- the encoder alone -----------------------------------------------------------------------


def encoder_case(name: str, model_class: type, config) -> Case:
    """Hidden states of padded rows, one of them padded on the left, against fixed cotangents."""
    stream = random_stream(f"deberta/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    segments = max(config.type_vocab_size, 2)
    inputs = sentence_batch(
        stream, config.vocab_size, seq_len=13, lengths=[13, 9, 8], segments=segments
    )
    pad_left(inputs, row=1)
    add_cotangents(stream, model, inputs)
    return Case(name, model, inputs, cotangent_loss)


def v1_both() -> Case:
    return encoder_case("v1_both", DebertaModel, v1_config(max_relative_positions=5))


def v1_content_to_position() -> Case:
    config = v1_config(pos_att_type=["c2p"], hidden_act="relu")
    return encoder_case("v1_content_to_position", DebertaModel, config)


def v1_position_to_content() -> Case:
    config = v1_config(pos_att_type="p2c", num_hidden_layers=3)
    return encoder_case("v1_position_to_content", DebertaModel, config)


def v1_plain() -> Case:
    config = v1_config(
        relative_attention=False, position_biased_input=True, pos_att_type=[], type_vocab_size=3
    )
    return encoder_case("v1_plain", DebertaModel, config)


def v2_own_projections() -> Case:
    config = v2_config(max_relative_positions=5)
    return encoder_case("v2_own_projections", DebertaV2Model, config)


def v2_content_to_position() -> Case:
    config = v2_config(pos_att_type=["c2p"], share_att_key=True)
    return encoder_case("v2_content_to_position", DebertaV2Model, config)


def v2_position_to_content() -> Case:
    config = v2_config(pos_att_type="P2C", position_buckets=8, norm_rel_ebd="layer_norm")
    return encoder_case("v2_position_to_content", DebertaV2Model, config)


def v2_plain() -> Case:
    config = v2_config(relative_attention=False, position_biased_input=True)
    return encoder_case("v2_plain", DebertaV2Model, config)


def v2_inputs() -> Case:
    config = v3_config(position_biased_input=True, type_vocab_size=3, embedding_size=14)
    return encoder_case("v2_inputs", DebertaV2Model, config)


def v2_conv() -> Case:
    config = v3_config(conv_kernel_size=3, conv_act="gelu")
    return encoder_case("v2_conv", DebertaV2Model, config)


def v2_conv_groups() -> Case:
    config = v3_config(conv_kernel_size=5, conv_groups=2, conv_act="tanh", num_hidden_layers=3)
    return encoder_case("v2_conv_groups", DebertaV2Model, config)


def v3() -> Case:
    return encoder_case("v3", DebertaV2Model, v3_config())


def v3_long() -> Case:
    stream = random_stream("deberta/v3_long")
    config = v3_config(max_position_embeddings=41, position_buckets=8)
    model = build(DebertaV2Model, config)
    # Tables this small give sums with a variance near 1e-5, where an epsilon of 1e-7 counts.
    set_weights(model, stream, embedding_std=0.002)
    seq_len = config.max_position_embeddings
    inputs = sentence_batch(stream, config.vocab_size, seq_len, lengths=[seq_len, 30])
    add_cotangents(stream, model, inputs)
    return Case("v3_long", model, inputs, cotangent_loss)


def v3_short() -> Case:
    """Rows of 13 tokens, of which distances beyond 4 fall back to ever lower buckets."""
    config = v3_config(position_buckets=8, max_relative_positions=3)
    return encoder_case("v3_short", DebertaV2Model, config)


# --- heads -----------------------------------------------------------------------------------


def masked_lm_case(name: str, model_class: type, config) -> Case:
    stream = random_stream(f"deberta/{name}")
    model = build(model_class, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=15, lengths=[12, 15, 7])
    mask_words(stream, inputs, counts=[3, 5, 1])
    return Case(name, model, inputs, loss_of_model)


def v1_masked_lm() -> Case:
    return masked_lm_case("v1_masked_lm", DebertaForMaskedLM, v1_config())


def masked_lm() -> Case:
    return masked_lm_case("masked_lm", DebertaV2ForMaskedLM, v3_config(hidden_act="relu"))


def masked_lm_narrow() -> Case:
    config = v3_config(embedding_size=14)
    return masked_lm_case("masked_lm_narrow", DebertaV2ForMaskedLM, config)


def masked_lm_untied() -> Case:
    config = v3_config(tie_word_embeddings=False)
    return masked_lm_case("masked_lm_untied", DebertaV2ForMaskedLM, config)


def masked_lm_plain() -> Case:
    config = v3_config(legacy=False)
    return masked_lm_case("masked_lm_plain", DebertaV2ForMaskedLM, config)


def fine_tuned() -> dict[str, Case]:
    """The cases that fine-tuning starts from, by name."""
    cases = [
        sequence_classification(),
        *head_cases.real_labels("deberta", DebertaV2ForSequenceClassification, v3_config),
        token_classification(),
        question_answering(),
        multiple_choice(),
    ]
    return {case.name: case for case in cases}


def v1_fine_tuned() -> dict[str, Case]:
    """Those of the first version, which has no multiple choice."""
    config = v1_config(num_labels=3, problem_type="single_label_classification")
    labels = torch.tensor([2, 0, 1, 2])
    name, model_class = "v1_sequence_classification", DebertaForSequenceClassification
    tagger = v1_config(num_labels=5)
    # With 47 words float32 loses digits of a bias' gradient.
    answerer = v1_config(vocab_size=43)
    cases = [
        head_cases.classification("deberta", model_class, config, labels, name=name),
        head_cases.tagging("deberta", DebertaForTokenClassification, tagger, prefix="v1_"),
        head_cases.answering("deberta", DebertaForQuestionAnswering, answerer, prefix="v1_"),
    ]
    return {case.name: case for case in cases}


def classification_case(name: str, config, labels: Tensor) -> Case:
    model_class = DebertaV2ForSequenceClassification
    return head_cases.classification("deberta", model_class, config, labels, name=name)


def sequence_classification() -> Case:
    config = v3_config(num_labels=3, pooler_hidden_act="tanh")
    # The third row is not scored.
    labels = torch.tensor([2, 0, IGNORED, 1])
    return classification_case("sequence_classification", config, labels)


def sift_classifier() -> Case:
    """The model and batch of `sequence_classification`, every row scored."""
    case = sequence_classification()
    case.inputs["labels"] = torch.tensor([2, 0, 1, 1])
    return case


def soft_labels() -> Case:
    labels = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    return classification_case("soft_labels", v3_config(num_labels=3), labels)


def token_classification() -> Case:
    return head_cases.tagging("deberta", DebertaV2ForTokenClassification, v3_config(num_labels=5))


def question_answering() -> Case:
    return head_cases.answering("deberta", DebertaV2ForQuestionAnswering, v3_config())


def multiple_choice() -> Case:
    return head_cases.choosing("deberta", DebertaV2ForMultipleChoice, v3_config())


def layer_by_layer(folder: Path, heads: dict[str, Case], v1_heads: dict[str, Case]) -> None:
    """Fine-tuning with rates that fall from layer to layer."""
    rates = electras_rates(SIZES["num_hidden_layers"], decay=0.8)
    classifier = sequence_classification()
    # Without a problem type transformers computes this loss in single precision.
    classifier.model.config.problem_type = "single_label_classification"
    write_fine_tuning(folder, "classify", classifier, rate_factor=rates)
    tasks = ["regress", "regress_several", "tag", "qa", "choose"]
    write_runs(folder, tasks, heads, rate_factor=rates)
    write_runs(folder, ["multi_label"], heads, rate_factor=rates, variant="decayed")
    v1 = v1_heads["v1_sequence_classification"]
    write_fine_tuning(folder, "classify", v1, rate_factor=rates, variant="v1")


# --- attention by the paper's formulas -------------------------------------------------------


def rows_of_distances(config, seq_len: int) -> Tensor:
    """delta(i, j): which relative embedding stands for each query and key, [seq_len, seq_len]."""
    farthest = config.max_relative_positions
    farthest = farthest if farthest > 0 else config.max_position_embeddings
    buckets = getattr(config, "position_buckets", -1)
    span = buckets if buckets > 0 else farthest

    def bucket(distance: int) -> int:
        middle = buckets // 2
        if buckets <= 0 or abs(distance) <= middle:
            return distance
        share = math.log(abs(distance) / middle) / math.log((farthest - 1) / middle)
        size = math.ceil(share * (middle - 1)) + middle
        return size if distance > 0 else -size

    places = range(seq_len)
    rows = [[min(max(bucket(i - j) + span, 0), 2 * span - 1) for j in places] for i in places]
    return torch.tensor(rows)


def heads(states: Tensor, count: int) -> Tensor:
    """[..., length, size] to [..., count, length, size / count]."""
    return states.unflatten(-1, (count, -1)).transpose(-2, -3)


def layer_by_formula(
    model: PreTrainedModel, layer: torch.nn.Module, queries: Tensor, states: Tensor, mask: Tensor
) -> Tensor:
    """One layer: queries of `queries`, keys and values of `states`, residuals on the former.

    Nothing is saved: for every query and key the relative key and query stand in a tensor of their
    own, [heads, queries, keys, head size].
    """
    config, weights = model.config, layer.attention.self
    count = config.num_attention_heads
    table = model.deberta.encoder.rel_embeddings.weight
    if "layer_norm" in getattr(config, "norm_rel_ebd", "none"):
        table = normalised(config, model.deberta.encoder.LayerNorm, table)
    rows = rows_of_distances(config, states.shape[1])

    if isinstance(config, DebertaV2Config):
        q, k, v = weights.query_proj, weights.key_proj, weights.value_proj
        query, key, value = (heads(x, count) for x in (q(queries), k(states), v(states)))
        shared = getattr(config, "share_att_key", False)
        position_key = (k if shared else weights.pos_key_proj)(table)
        position_query = (q if shared else weights.pos_query_proj)(table)
    else:
        # Head by head: its queries', its keys', its values' rows.
        thirds = weights.in_proj.weight.unflatten(0, (count, 3, -1))
        q, k, v = (thirds[:, index].flatten(0, 1) for index in range(3))
        query = heads(queries @ q.T + weights.q_bias, count)
        key = heads(states @ k.T, count)
        value = heads(states @ v.T + weights.v_bias, count)
        position_key, position_query = weights.pos_proj(table), weights.pos_q_proj(table)
    position_key = heads(position_key, count)[:, rows]
    position_query = heads(position_query, count)[:, rows]

    scores = (
        torch.einsum("bhid,bhjd->bhij", query, key)
        + torch.einsum("bhid,hijd->bhij", query, position_key)
        + torch.einsum("bhjd,hijd->bhij", key, position_query)
    ) / math.sqrt(3 * query.shape[-1])
    is_seen = (mask[:, None, :, None] * mask[:, None, None, :]).bool()
    scores = scores.masked_fill(~is_seen, torch.finfo(scores.dtype).min)
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)

    output = layer.attention.output
    attended = normalised(config, output.LayerNorm, output.dense(context) + queries)
    inner = functional.gelu(layer.intermediate.dense(attended))
    return normalised(config, layer.output.LayerNorm, layer.output.dense(inner) + attended)


def normalised(config, norm: torch.nn.Module, states: Tensor) -> Tensor:
    shape = states.shape[-1:]
    return functional.layer_norm(states, shape, norm.weight, norm.bias, config.layer_norm_eps)


# --- the enhanced mask decoder ---------------------------------------------------------------


def with_mask_decoder(model_class: type) -> type:
    """The class with positions that the encoder does not see, and the decoder between it and the
    head (He et al. 2021, section 3.2): q0 = h + z; q1, q2 = the last layer with these queries, keys
    and values always h; h from the last layer but one, z the positions' rows as they are."""

    class WithMaskDecoder(model_class):
        def __init__(self, config):
            super().__init__(config)
            self.deberta.embeddings.position_embeddings = torch.nn.Embedding(
                config.max_position_embeddings, config.hidden_size
            )

        def forward(self, input_ids, attention_mask, token_type_ids, labels) -> Tensors:
            last = self.deberta.encoder.layer[-1]
            seen = []
            hook = last.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
            own = self.deberta(input_ids, attention_mask, token_type_ids).last_hidden_state
            hook.remove()
            (states,) = seen
            check_formula(self, last, states, attention_mask, own)

            queries = states + self.deberta.embeddings.position_embeddings.weight[: states.shape[1]]
            for _ in range(2):
                queries = layer_by_formula(self, last, queries, states, attention_mask)

            head = self.lm_predictions.lm_head
            transformed = functional.gelu(head.dense(queries))
            transformed = normalised(self.config, head.LayerNorm, transformed)
            words = self.deberta.embeddings.word_embeddings.weight
            logits = transformed @ words.T + head.bias
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            return {"loss": loss, "logits": logits}

    # The name that config.json gets.
    WithMaskDecoder.__name__ = model_class.__name__
    return WithMaskDecoder


def check_formula(
    model: PreTrainedModel, layer: torch.nn.Module, states: Tensor, mask: Tensor, expected: Tensor
) -> None:
    """Ends the script where a layer by formula is not the one of transformers."""
    with torch.no_grad():
        found = layer_by_formula(model, layer, states, states, mask)
    gap = relative_gap(expected.detach(), found, floor=1.0)
    if not gap <= LARGEST_FORMULA_GAP:
        raise SystemExit(f"the layer by formula is {gap} from the one of transformers")


def enhanced() -> Case:
    config = v3_config(legacy=False, num_hidden_layers=3)
    return masked_lm_case("enhanced", with_mask_decoder(DebertaV2ForMaskedLM), config)


def enhanced_v1() -> Case:
    config = v1_config(legacy=False, max_relative_positions=7)
    return masked_lm_case("enhanced_v1", with_mask_decoder(DebertaForMaskedLM), config)


def enhanced_conv() -> Case:
    config = v2_config(legacy=False, conv_kernel_size=3, conv_act="gelu", position_buckets=8)
    return masked_lm_case("enhanced_conv", with_mask_decoder(DebertaV2ForMaskedLM), config)


# --- the discriminator -----------------------------------------------------------------------


class MaskPredictions(torch.nn.Module):
    """The head's parameters by the original's names."""

    def __init__(self, config: DebertaV2Config):
        super().__init__()
        size = config.hidden_size
        self.dense = torch.nn.Linear(size, size)
        self.LayerNorm = torch.nn.LayerNorm(size, config.layer_norm_eps)
        self.classifier = torch.nn.Linear(size, 1)


class DebertaV2ForPreTraining(DebertaV2PreTrainedModel):
    """Whether a token was replaced, seen from its own hidden state and the first token's:
    classifier(gelu(dense(LayerNorm(h + h_0)))). The loss is the mean over real tokens."""

    def __init__(self, config: DebertaV2Config):
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        self.mask_predictions = MaskPredictions(config)
        self.post_init()

    def forward(self, input_ids, attention_mask, token_type_ids, labels) -> Tensors:
        states = self.deberta(input_ids, attention_mask, token_type_ids).last_hidden_state
        head = self.mask_predictions
        joined = head.LayerNorm(states + states[:, :1])
        logits = head.classifier(functional.gelu(head.dense(joined))).squeeze(-1)
        losses = functional.binary_cross_entropy_with_logits(
            logits, labels.to(logits.dtype), reduction="none"
        )
        loss = (losses * attention_mask).sum() / attention_mask.sum()
        return {"loss": loss, "logits": logits}


def discriminator() -> Case:
    stream = random_stream("deberta/discriminator")
    config = v3_config()
    model = build(DebertaV2ForPreTraining, config)
    set_weights(model, stream)
    inputs = sentence_batch(stream, config.vocab_size, seq_len=13, lengths=[13, 9, 11])
    # At padding too, where they do not count.
    shape = inputs["input_ids"].shape
    inputs["labels"] = (torch.rand(shape, generator=stream) < 0.25).long()
    return Case("discriminator", model, inputs, loss_of_model)


# --- buckets ---------------------------------------------------------------------------------


def log_buckets(folder: Path) -> None:
    """The bucket of every distance 0, 1, ... below the largest: BUCKETS_LARGEST for each pair."""
    pairs = [(256, 512), (32, 128), (64, 512), (8, 16), (256, 1024), (4, 64), (128, 512)]
    buckets = {
        f"{count}_{largest}": make_log_bucket_position(torch.arange(largest), count, largest).long()
        for count, largest in pairs
    }
    write_tensors(folder / "outputs.safetensors", buckets)


def short_buckets(folder: Path) -> None:
    """The bucket of every distance for every small pair of buckets and largest distance.

    `small` is [buckets from 2, largest from 1, distance from 0]. Where the largest distance is half
    the buckets and one more, the formula divides by zero; what infinity is as a whole number is the
    processor's choice, and 0 is written.
    """
    distances = torch.arange(25)

    def buckets(count: int, largest: int) -> Tensor:
        if largest == count // 2 + 1:
            return torch.zeros_like(distances)
        return make_log_bucket_position(distances, count, largest).long()

    small = [[buckets(count, largest) for largest in range(1, 13)] for count in range(2, 14)]
    far = torch.arange(600)
    published = {
        f"256_{largest}": make_log_bucket_position(far, 256, largest).long()
        for largest in (64, 100, 128)
    }
    small = torch.stack([torch.stack(row) for row in small])
    write_tensors(folder / "outputs.safetensors", {"small": small, **published})
