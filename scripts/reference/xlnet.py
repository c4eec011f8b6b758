"""XLNet's cases.

    plain                    the content stream alone: no mask, no segments, no memory
    padded                   rows padded on either side, three segments
    memory_1, _2, _3         three segments of a text, each with the memory that the one before left
    two_streams              an order of prediction, an empty slot, memory, segments; labels
    two_streams_alone        the same without memory and segments, padded
    two_directions           the second half of the batch reads backwards
    clamped                  distances beyond the largest; memory longer than what is kept
    all_but_two              a negative length of memory: all is kept but the first two
    left_to_right            attn_type uni, with memory
    left_to_right_predicted  the same with a query stream
    same_length              uni, every query sees as many keys
    language_model           the head on the content stream
    language_model_untied    the head with a matrix of its own
    tanh_gelu                the original's activation
    sequence_classification  three labels
    multi_label              three labels, each true or not; summary of the first token
    regression               one number; mean of all tokens, without projection
    regression_several       three numbers; mean of all tokens
    token_classification     four labels, some positions not scored
    question_answering       start and end of a span, each by itself
    multiple_choice          three continuations each of two examples
    beam                     three starts, two ends for each, whether there is an answer
    beam_unmasked            the same without p_mask and cls_index
    beam_training            the loss of a span with a beam: the end given the true start, answerability
    beam_spans               that of the span alone
    trajectory               thirty steps from the weights of two_directions, each with the memory
                             that the one before left, the first with zeros
    trajectory_classify, trajectory_multi_label, trajectory_regress, trajectory_regress_several,
    trajectory_tag, trajectory_qa, trajectory_beam, trajectory_choose
                             thirty steps of fine-tuning, rates that fall by 0.75 a layer; see fine_tuning.py
    sift                     SiFT on `sequence_classification`, see `sift.py`
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    XLNetConfig,
    XLNetForMultipleChoice,
    XLNetForQuestionAnswering,
    XLNetForQuestionAnsweringSimple,
    XLNetForSequenceClassification,
    XLNetForTokenClassification,
    XLNetLMHeadModel,
    XLNetModel,
)

from . import head_cases
from .bert import cotangent_loss
from .cases import (
    FIRST_WORD,
    IGNORED,
    Case,
    Tensors,
    build,
    generator,
    loss_of_model,
    pad_left,
    run,
    sentence_batch,
    set_weights,
    write_case,
)
from .fine_tuning import (
    STARTS,
    beam_labels,
    three_full_segments,
    three_segments_padded_left,
    write_runs,
    xlnets_rates,
)
from .sift import write_sift_pass
from .trajectory import Settings, write_trajectory

SIZES = {
    "vocab_size": 43,
    "d_model": 18,
    "n_layer": 2,
    "n_head": 3,
    "d_inner": 25,
    "mem_len": 6,
    "reuse_len": 4,
    "pad_token_id": 0,
}
"""Odd, so that swapped axes do not fit."""


original_encoding = XLNetModel.relative_positional_encoding


def relative_positional_encoding(self: XLNetModel, *arguments, **named) -> Tensor:
    """transformers' vectors of distances, always single precision, in the model's own: with a query
    stream it cannot be run in double precision otherwise."""
    return original_encoding(self, *arguments, **named).to(self.dtype)


def make_xlnet(folder: Path) -> None:
    """Writes every case of XLNet below the folder."""
    XLNetModel.relative_positional_encoding = relative_positional_encoding
    heads = fine_tuned()
    cases = [
        plain(),
        padded(),
        *three_segments(),
        two_streams(),
        two_streams_alone(),
        two_directions(),
        clamped(),
        all_but_two(),
        left_to_right(),
        left_to_right_predicted(),
        same_length(),
        language_model(),
        language_model_untied(),
        tanh_gelu(),
        *heads.values(),
        beam(),
        beam_unmasked(),
        beam_spans(),
    ]
    for case in cases:
        write_case(folder, case)
    trajectory(folder / "trajectory")
    layer_by_layer(folder, heads)
    write_sift_pass(folder, sequence_classification(), generator("xlnet/sift"))


def small_config(**changes) -> XLNetConfig:
    return XLNetConfig(**(SIZES | changes))


def small_model(name: str, model_class: type, **changes):
    """A model with its weights drawn, and the stream they came from."""
    stream = generator(f"xlnet/{name}")
    model = build(model_class, small_config(**changes))
    set_weights(model, stream)
    return model, stream


def words(stream: torch.Generator, model, batch: int, seq_len: int) -> Tensors:
    vocab_size = model.config.vocab_size
    ids = torch.randint(FIRST_WORD, vocab_size, (batch, seq_len), generator=stream)
    return {"input_ids": ids}


def add_memory(stream: torch.Generator, model, inputs: Tensors, length: int) -> None:
    """Adds mems.0, mems.1, ...: hidden states that some text might have left."""
    shape = (length, len(inputs["input_ids"]), model.config.d_model)
    for layer in range(model.config.n_layer):
        inputs[f"mems.{layer}"] = torch.randn(shape, generator=stream)


def add_segments(inputs: Tensors, ends: list[list[int]]) -> None:
    """Adds token_type_ids: segment k ends before position ends[row][k], the last with the row."""
    types = torch.zeros_like(inputs["input_ids"])
    for row, stops in enumerate(ends):
        for segment, stop in enumerate(stops, start=1):
            types[row, stop:] = segment
    inputs["token_type_ids"] = types


def add_order(
    stream: torch.Generator, inputs: Tensors, counts: list[int], slots: int, functional: int
) -> None:
    """Adds perm_mask and target_mapping by the original's rules for an order of prediction.

    counts[row] tokens are targets, the last `functional` ones of each row stand for [SEP] and [CLS].
    """
    batch, seq_len = inputs["input_ids"].shape
    hidden = torch.zeros(batch, seq_len, seq_len)
    mapping = torch.zeros(batch, slots, seq_len)
    for row, count in enumerate(counts):
        targets, query_ranks, key_ranks = order(stream, seq_len, count, functional)
        hidden[row] = (query_ranks[:, None] <= key_ranks[None, :]).float()
        mapping[row, torch.arange(count), targets] = 1
    inputs["perm_mask"], inputs["target_mapping"] = hidden, mapping


def order(
    stream: torch.Generator, seq_len: int, count: int, functional: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The targets, and who sees whom: not query i key j where query_ranks[i] <= key_ranks[j].

    Tokens that are neither targets nor functional see each other and nothing else; a functional one
    sees also what is not behind it in the order, a target what is before it.
    """
    ranks = torch.randperm(seq_len, generator=stream)
    targets = torch.randperm(seq_len - functional, generator=stream)[:count].sort().values
    is_target = torch.zeros(seq_len, dtype=torch.bool)
    is_target[targets] = True
    is_functional = torch.arange(seq_len) >= seq_len - functional
    key_ranks = torch.where(is_target | is_functional, ranks, -1)
    query_ranks = torch.where(is_target, key_ranks, key_ranks + 1)
    return targets, query_ranks, key_ranks


def add_labels(inputs: Tensors) -> None:
    """Adds labels [batch, slots]: the tokens that stand at the targets."""
    mapping = inputs["target_mapping"]
    tokens = (mapping.long() @ inputs["input_ids"].unsqueeze(2)).squeeze(2)
    inputs["labels"] = torch.where(mapping.sum(2) > 0, tokens, IGNORED)


def add_cotangents(stream: torch.Generator, model, inputs: Tensors) -> None:
    """Adds cotangent.last_hidden_state, of its sign: terms of both signs would cancel."""
    with torch.no_grad():
        hidden = run(model, inputs)["last_hidden_state"]
    cotangent = hidden.sign() * torch.rand(hidden.shape, generator=stream)
    if "attention_mask" in inputs and hidden.shape[:2] == inputs["attention_mask"].shape:
        cotangent *= inputs["attention_mask"].unsqueeze(-1)
    inputs["cotangent.last_hidden_state"] = cotangent


def stack_case(name: str, model, stream: torch.Generator, inputs: Tensors) -> Case:
    add_cotangents(stream, model, inputs)
    return Case(name, model, inputs, cotangent_loss)


# --- the stack -------------------------------------------------------------------------------


def plain() -> Case:
    model, stream = small_model("plain", XLNetModel, n_layer=3)
    return stack_case("plain", model, stream, words(stream, model, 2, 9))


def padded() -> Case:
    model, stream = small_model("padded", XLNetModel)
    lengths = [13, 9, 8]
    inputs = sentence_batch(stream, model.config.vocab_size, 13, lengths=lengths, segments=3)
    pad_left(inputs, row=1)
    return stack_case("padded", model, stream, inputs)


def three_segments() -> list[Case]:
    cases = []
    memory: Tensors = {}
    model, stream = small_model("memory", XLNetModel)
    for number in range(1, 4):
        inputs = words(stream, model, 2, 7)
        add_segments(inputs, [[4, 6], [2, 5]])
        inputs |= memory
        cases.append(stack_case(f"memory_{number}", model, stream, inputs))
        with torch.no_grad():
            outputs = run(model, inputs)
        memory = {name: tensor for name, tensor in outputs.items() if name.startswith("mems.")}
    return cases


def two_streams_inputs(stream: torch.Generator, model, batch: int) -> Tensors:
    inputs = words(stream, model, batch, 11)
    add_segments(inputs, [[4, 10], [7, 10], [5, 10], [2, 10]][:batch])
    add_memory(stream, model, inputs, 5)
    add_order(stream, inputs, [4, 2, 3, 4][:batch], slots=4, functional=2)
    add_labels(inputs)
    return inputs


def two_streams() -> Case:
    model, stream = small_model("two_streams", XLNetLMHeadModel, n_layer=3)
    return Case("two_streams", model, two_streams_inputs(stream, model, 3), loss_of_model)


def two_streams_alone() -> Case:
    model, stream = small_model("two_streams_alone", XLNetLMHeadModel, mem_len=None, reuse_len=None)
    inputs = words(stream, model, 2, 10)
    add_order(stream, inputs, [3, 3], slots=3, functional=1)
    add_labels(inputs)
    # Padding may be hidden by one argument and the order by the other.
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["attention_mask"][1, [0, 9]] = 0
    return Case("two_streams_alone", model, inputs, loss_of_model)


def two_directions() -> Case:
    model, stream = small_model("two_directions", XLNetLMHeadModel, bi_data=True)
    return Case("two_directions", model, two_streams_inputs(stream, model, 4), loss_of_model)


def clamped() -> Case:
    model, stream = small_model("clamped", XLNetModel, clamp_len=3, bi_data=True, mem_len=3)
    inputs = words(stream, model, 2, 9)
    add_segments(inputs, [[4], [6]])
    add_memory(stream, model, inputs, 6)
    return stack_case("clamped", model, stream, inputs)


def all_but_two() -> Case:
    model, stream = small_model("all_but_two", XLNetModel, mem_len=-2, reuse_len=-1)
    inputs = words(stream, model, 2, 7)
    add_memory(stream, model, inputs, 3)
    return stack_case("all_but_two", model, stream, inputs)


def left_to_right() -> Case:
    model, stream = small_model("left_to_right", XLNetModel, attn_type="uni")
    inputs = words(stream, model, 2, 8)
    add_segments(inputs, [[4], [6]])
    add_memory(stream, model, inputs, 6)
    return stack_case("left_to_right", model, stream, inputs)


def left_to_right_predicted() -> Case:
    model, stream = small_model("left_to_right_predicted", XLNetLMHeadModel, attn_type="uni")
    # One row: transformers adds the two masks in place, which fits no larger batch.
    inputs = words(stream, model, 1, 8)
    add_memory(stream, model, inputs, 4)
    add_order(stream, inputs, [3], slots=3, functional=1)
    add_labels(inputs)
    return Case("left_to_right_predicted", model, inputs, loss_of_model)


def same_length() -> Case:
    model, stream = small_model("same_length", XLNetModel, attn_type="uni", same_length=True)
    inputs = words(stream, model, 2, 6)
    add_memory(stream, model, inputs, 8)
    return stack_case("same_length", model, stream, inputs)


def language_model() -> Case:
    model, stream = small_model("language_model", XLNetLMHeadModel, ff_activation="relu")
    inputs = words(stream, model, 2, 9)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["attention_mask"][0, :3] = 0
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    labels[0, 3:7] = inputs["input_ids"][0, 3:7]
    labels[1, ::3] = inputs["input_ids"][1, ::3]
    inputs["labels"] = labels
    return Case("language_model", model, inputs, loss_of_model)


def language_model_untied() -> Case:
    model, stream = small_model(
        "language_model_untied", XLNetLMHeadModel, tie_word_embeddings=False
    )
    inputs = words(stream, model, 2, 9)
    labels = torch.full_like(inputs["input_ids"], IGNORED)
    labels[:, ::4] = inputs["input_ids"][:, ::4]
    inputs["labels"] = labels
    return Case("language_model_untied", model, inputs, loss_of_model)


def tanh_gelu() -> Case:
    model, stream = small_model("tanh_gelu", XLNetModel, ff_activation="gelu_new")
    return stack_case("tanh_gelu", model, stream, words(stream, model, 2, 6))


# --- heads of fine-tuning --------------------------------------------------------------------


def fine_tuned() -> dict[str, Case]:
    """The cases that fine-tuning starts from, by name."""
    cases = [
        sequence_classification(),
        multi_label(),
        regression(),
        regression_several(),
        token_classification(),
        question_answering(),
        multiple_choice(),
        beam_training(),
    ]
    return {case.name: case for case in cases}


def head_case(name: str, model_class: type, labels, **changes) -> Case:
    """Rows padded on the left where the last token sums them up, as published; without padding
    elsewhere, since transformers takes padding into a mean and for the first token."""
    model, stream = small_model(name, model_class, **changes)
    if model.config.summary_type == "last":
        inputs = three_segments_padded_left(stream, model.config.vocab_size, 11, [11, 7, 9])
    else:
        inputs = three_full_segments(stream, model.config.vocab_size, 11, [11, 7, 9])
    inputs |= labels(stream, inputs)
    return Case(name, model, inputs, loss_of_model)


def sequence_classification() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        return {"labels": torch.tensor([2, 0, 1])}

    return head_case(
        "sequence_classification", XLNetForSequenceClassification, labels, num_labels=3
    )


def multi_label() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        return {"labels": torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 1, 0]])}

    return head_case(
        "multi_label",
        XLNetForSequenceClassification,
        labels,
        num_labels=3,
        problem_type="multi_label_classification",
        summary_type="first",
        summary_activation="",
    )


def regression() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        return {"labels": torch.randn(3, generator=stream)}

    return head_case(
        "regression",
        XLNetForSequenceClassification,
        labels,
        num_labels=1,
        summary_type="mean",
        summary_use_proj=False,
        summary_activation="gelu",
    )


def regression_several() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        return {"labels": torch.randn(3, 3, generator=stream)}

    return head_case(
        "regression_several",
        XLNetForSequenceClassification,
        labels,
        num_labels=3,
        problem_type="regression",
        summary_type="mean",
    )


def token_classification() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        shape = inputs["input_ids"].shape
        found: Tensor = torch.randint(0, 4, shape, generator=stream)
        found[inputs["attention_mask"] == 0] = IGNORED
        found[0, 2:5] = IGNORED
        return {"labels": found}

    return head_case(
        "token_classification", XLNetForTokenClassification, labels, num_labels=4, n_layer=1
    )


def question_answering() -> Case:
    def labels(stream: torch.Generator, inputs: Tensors) -> Tensors:
        return {
            "start_positions": torch.tensor([2, 5, 4]),
            "end_positions": torch.tensor([4, 5, 9]),
        }

    return head_case("question_answering", XLNetForQuestionAnsweringSimple, labels)


def multiple_choice() -> Case:
    return head_cases.choosing(
        "xlnet", XLNetForMultipleChoice, small_config(), three_segments_padded_left
    )


def beam_inputs(name: str) -> tuple[Case, torch.Generator]:
    """Three rows padded on the left, with all that the head with a beam can be told."""
    model, stream = small_model(name, XLNetForQuestionAnswering, start_n_top=3, end_n_top=2)
    inputs = three_segments_padded_left(stream, model.config.vocab_size, 11, [11, 9, 10])
    inputs |= beam_labels(stream, inputs)
    return Case(name, model, inputs, loss_of_model), stream


def without(case: Case, names: tuple[str, ...]) -> None:
    for name in names:
        del case.inputs[name]


def beam_searched(name: str, untold: tuple[str, ...]) -> Case:
    """The search's probabilities and the answer's class against cotangents of their sign."""
    case, stream = beam_inputs(name)
    without(case, ("start_positions", "end_positions", "is_impossible", *untold))
    with torch.no_grad():
        outputs = run(case.model, case.inputs)
    for output in ("start_top_log_probs", "end_top_log_probs", "cls_logits"):
        found = outputs[output]
        weights = found.sign() * torch.rand(found.shape, generator=stream)
        case.inputs[f"cotangent.{output}"] = weights
    case.objective = cotangent_loss
    return case


def beam() -> Case:
    return beam_searched("beam", untold=())


def beam_unmasked() -> Case:
    return beam_searched("beam_unmasked", untold=("p_mask", "cls_index"))


def beam_training() -> Case:
    case, _ = beam_inputs("beam_training")
    # The second row has no answer: both point at [CLS].
    last = case.inputs["cls_index"][1]
    for name in ("start_positions", "end_positions"):
        case.inputs[name][1] = last
    case.inputs["is_impossible"] = torch.tensor([0.0, 1.0, 0.0])
    return case


def beam_spans() -> Case:
    case, _ = beam_inputs("beam_spans")
    without(case, ("is_impossible", "cls_index"))
    return case


# --- training --------------------------------------------------------------------------------


def layer_by_layer(folder: Path, heads: dict[str, Case]) -> None:
    """Fine-tuning with rates that fall from layer to layer."""
    tasks = ["classify", "multi_label", "regress", "regress_several", "tag", "qa", "choose", "beam"]
    for task in tasks:
        # The model that tags has one layer.
        layers = heads[STARTS[task]].model.config.n_layer
        rates = xlnets_rates(layers, decay=0.75)
        by_last = heads[STARTS[task]].model.config.summary_type == "last"
        layout = three_segments_padded_left if by_last else three_full_segments
        write_runs(folder, [task], heads, layout, rates)


def trajectory(folder: Path) -> None:
    """Thirty steps of permutation language modelling in two directions, with memory."""
    steps, batch, seq_len, slots = 30, 4, 9, 3
    model, _ = small_model("two_directions", XLNetLMHeadModel, bi_data=True)
    stream = generator("xlnet/trajectory")
    ids = torch.randint(FIRST_WORD, 43, (steps, batch, seq_len), generator=stream)
    types = torch.zeros_like(ids)
    types[:, :, 6:-1], types[:, :, -1] = 1, 2
    stacked: Tensors = {
        "input_ids": ids,
        "token_type_ids": types,
        "query_ranks": torch.zeros_like(ids),
        "key_ranks": torch.zeros_like(ids),
        "positions": torch.zeros(steps, batch, slots, dtype=torch.int64),
        "labels": torch.zeros(steps, batch, slots, dtype=torch.int64),
        "weights": torch.zeros(steps, batch, slots),
    }
    for step in range(steps):
        for row in range(batch):
            # Rows with fewer targets than slots: a mean of rows' means would show.
            count = 1 + (step + row) % slots
            targets, query_ranks, key_ranks = order(stream, seq_len, count, functional=2)
            stacked["query_ranks"][step, row] = query_ranks
            stacked["key_ranks"][step, row] = key_ranks
            stacked["positions"][step, row, :count] = targets
            stacked["labels"][step, row, :count] = ids[step, row, targets]
            stacked["weights"][step, row, :count] = 1
    settings = Settings(
        bias_correction=False,
        schedule="original",
        # The slowest waves hardly differ between a few distances, and what is the same for all of
        # them has no gradient: a smaller epsilon would scale up its rounding.
        epsilon=1e-5,
        learning_rate=1e-3,
        warmup_steps=5,
        total_steps=steps,
        max_grad_norm=1.0,
    )
    write_trajectory(folder, model, stacked, settings, loss_with_memory)


def loss_with_memory(model: XLNetLMHeadModel, batch: Tensors) -> Tensor:
    """The mean over the batch's targets; leaves its memory on the model, for the next batch."""
    rows, seq_len = batch["input_ids"].shape
    config = model.config
    memory = getattr(model, "memory", None)
    if memory is None:
        shape = (config.mem_len, rows, config.d_model)
        memory = [torch.zeros(shape, dtype=model.dtype) for _ in range(config.n_layer)]
    hidden = batch["query_ranks"][:, :, None] <= batch["key_ranks"][:, None, :]
    weights = batch["weights"].to(model.dtype)
    mapping = functional.one_hot(batch["positions"], seq_len).to(model.dtype)
    outputs = model(
        input_ids=batch["input_ids"],
        token_type_ids=batch["token_type_ids"],
        perm_mask=hidden.to(model.dtype),
        target_mapping=mapping * weights[:, :, None],
        mems=memory,
    )
    model.memory = [state.detach() for state in outputs.mems]
    losses = functional.cross_entropy(
        outputs.logits.flatten(0, 1), batch["labels"].flatten(), reduction="none"
    )
    return (losses * weights.flatten()).sum() / weights.sum()
