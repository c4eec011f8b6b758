"""What the cases of all architectures share: weights, batches, evaluation and files."""

import copy
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
import transformers
from torch import Tensor

SEED = 20260101

# A case on which PyTorch's own float32 strays further from float64 is too badly conditioned to
# judge anyone by. Outputs: relative to max(1, the tensor's largest entry); loss: to its size;
# gradients: relative L2 distance, tensor by tensor.
LARGEST_OUTPUT_GAP = 1e-6
LARGEST_LOSS_GAP = 5e-7
LARGEST_GRADIENT_GAP = 2e-6

# Gradients below this in float64 are zero in exact arithmetic.
ZERO_GRADIENT = 1e-13

# Ids of the special tokens in every case; words start after them.
PAD, CLS, SEP, MASK, FIRST_WORD = 0, 2, 3, 4, 5
IGNORED = -100
"""The label of a position that is not scored."""

Tensors = dict[str, Tensor]
Objective = Callable[[Tensors, Tensors], Tensor]
"""From (outputs, inputs) to the scalar that is differentiated."""
Layout = Callable[[torch.Generator, int, int, list[int]], Tensors]
"""A batch of rows of these lengths, from (stream, vocab_size, seq_len, lengths)."""


@dataclass
class Case:
    """One folder: a model with its weights set, the inputs, and what is differentiated.

    A model is one of transformers or a module of several, which then has a `save_pretrained` and
    returns its outputs by name.
    """

    name: str
    model: torch.nn.Module
    inputs: Tensors
    objective: Objective


def make_deterministic() -> None:
    """One thread and deterministic kernels: sums always run in the same order."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.disable_progress_bar()


def generator(name: str) -> torch.Generator:
    """A stream of its own for every name, so that a new case leaves the others as they are."""
    return torch.Generator().manual_seed(SEED ^ zlib.crc32(name.encode()))


# --- weights ---------------------------------------------------------------------------------


def build(model_class: type, config: transformers.PretrainedConfig, **arguments):
    """A model with eager attention and dropout off; its weights are still to be set."""
    config._attn_implementation = "eager"
    return model_class(config, **arguments).eval()


def set_weights(
    model: torch.nn.Module,
    stream: torch.Generator,
    std: float = 0.2,
    embedding_std: float | None = None,
) -> None:
    """Draws every parameter so large that a mistake anywhere moves the outputs.

    Weights from N(0, std), embedding tables from N(0, embedding_std), biases from N(0, 0.2), gains
    of LayerNorm from N(1, 0.2). Freshly initialised models would hide mistakes: their attention is
    nearly uniform and their biases are 0. At std 0.2, about 1 / sqrt(hidden_size), activations
    keep the size of 1; larger weights sharpen attention until float32 loses digits.
    """
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=stream)
            if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            # Not ELECTRA's `embeddings_project`, a layer like any other.
            elif "embeddings." in name and embedding_std is not None:
                parameter.copy_(embedding_std * noise)
            else:
                parameter.copy_(std * noise)


# --- batches ---------------------------------------------------------------------------------


def sentence_batch(
    stream: torch.Generator,
    vocab_size: int,
    seq_len: int,
    lengths: list[int],
    segments: int = 2,
) -> Tensors:
    """Rows of [CLS] words [SEP] words [SEP] ..., padded at the end to seq_len.

    Returns input_ids, attention_mask and token_type_ids, each [len(lengths), seq_len].
    """
    shape = (len(lengths), seq_len)
    input_ids = torch.randint(FIRST_WORD, vocab_size, shape, generator=stream)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    token_type_ids = torch.zeros(shape, dtype=torch.int64)
    for row, length in enumerate(lengths):
        # Distinct ends at positions 2 .. length - 1; the last one is the row's end.
        inner = 2 + torch.randperm(length - 3, generator=stream)[: segments - 1]
        ends = sorted(inner.tolist()) + [length - 1]
        input_ids[row, 0] = CLS
        input_ids[row, ends] = SEP
        input_ids[row, length:] = PAD
        attention_mask[row, :length] = 1
        for segment, end in enumerate(ends[:-1], start=1):
            token_type_ids[row, end + 1 : length] = segment
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "token_type_ids": token_type_ids,
    }


def pad_left(batch: Tensors, row: int) -> None:
    """Moves the padding of one row from its end to its beginning."""
    padding = int((batch["attention_mask"][row] == 0).sum())
    for tensor in batch.values():
        tensor[row] = tensor[row].roll(padding)


def mask_words(stream: torch.Generator, batch: Tensors, counts: list[int]) -> None:
    """Hides counts[row] words of each row behind [MASK] and adds `labels` [batch, seq_len].

    Counts differ between rows so that a mean of rows' means is not the mean over the batch.
    """
    input_ids = batch["input_ids"]
    labels = torch.full_like(input_ids, IGNORED)
    for row, count in enumerate(counts):
        words = (input_ids[row] >= FIRST_WORD).nonzero().flatten()
        chosen = words[torch.randperm(len(words), generator=stream)[:count]]
        labels[row, chosen] = input_ids[row, chosen]
        input_ids[row, chosen] = MASK
    batch["labels"] = labels


# --- evaluation ------------------------------------------------------------------------------


def loss_of_model(outputs: Tensors, inputs: Tensors) -> Tensor:
    """The loss that the Hugging Face class computes from its label arguments."""
    return outputs["loss"]


def run(model: torch.nn.Module, inputs: Tensors) -> Tensors:
    """All outputs by Hugging Face name, with the base model's own ones beside the head's."""
    arguments = {name: tensor for name, tensor in inputs.items() if "." not in name}
    memory = [tensor for name, tensor in sorted(inputs.items()) if name.startswith("mems.")]
    if memory:
        arguments["mems"] = memory
    if not isinstance(model, transformers.PreTrainedModel):
        return model(**arguments)
    base_outputs: Tensors = {}
    hook = model.base_model.register_forward_hook(
        lambda module, arguments, outputs: base_outputs.update(outputs)
    )
    outputs = dict(model(**arguments))
    hook.remove()
    return flat(base_outputs | outputs)


def flat(outputs: dict) -> Tensors:
    """Tuples of tensors taken apart: mems.0, mems.1, ..."""
    tensors: Tensors = {}
    for name, value in outputs.items():
        if isinstance(value, tuple):
            tensors |= {f"{name}.{index}": tensor for index, tensor in enumerate(value)}
        else:
            tensors[name] = value
    return tensors


def evaluate(case: Case, dtype: torch.dtype) -> tuple[Tensors, Tensors]:
    """Outputs with the loss, and gradients, of a copy of the model in the given precision."""
    model = copy.deepcopy(case.model).to(dtype)
    inputs = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in case.inputs.items()
    }
    outputs = run(model, inputs)
    outputs["loss"] = case.objective(outputs, inputs)
    outputs["loss"].backward()
    # What a case does not use has none, such as XLNet's segments where no types are given.
    gradients = {
        f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    return {name: tensor.detach() for name, tensor in outputs.items()}, gradients


def relative_gap(exact: Tensor, rounded: Tensor, floor: float) -> float:
    """The largest difference, relative to the largest entry or the floor if that is larger."""
    return ((exact - rounded).abs().max() / exact.abs().max().clamp(min=floor)).item()


def check_conditioning(case: Case, outputs: Tensors, gradients: Tensors) -> None:
    """Ends the script where float32 strays from these float64 results; prints how close it is."""
    rounded_outputs, rounded_gradients = evaluate(case, torch.float32)
    gaps = {
        "outputs": max(relative_gap(outputs[key], rounded_outputs[key], 1.0) for key in outputs),
        "loss": relative_gap(outputs["loss"], rounded_outputs["loss"], 0.0),
        "gradients": max(
            ((gradient - rounded_gradients[key]).norm() / gradient.norm()).item()
            for key, gradient in gradients.items()
            if gradient.any()
        ),
    }
    limits = {
        "outputs": LARGEST_OUTPUT_GAP,
        "loss": LARGEST_LOSS_GAP,
        "gradients": LARGEST_GRADIENT_GAP,
    }
    summary = ", ".join(f"{name} {gap:.1e}" for name, gap in gaps.items())
    # Written so that a NaN fails as well.
    if not all(gaps[name] <= limit for name, limit in limits.items()):
        raise SystemExit(f"{case.name}: float32 strays too far from float64: {summary}")
    print(f"{case.name}: float32 is this far from float64: {summary}")


def without_noise(gradient: Tensor) -> Tensor:
    """Zero where the gradient is zero in exact arithmetic, else the gradient itself.

    A constant added to all scores of a softmax changes nothing. So a key bias has no gradient, nor
    have the biases before the softmax over a span's positions. Computing it leaves noise that no
    other program can reproduce.
    """
    return torch.zeros_like(gradient) if gradient.abs().max() < ZERO_GRADIENT else gradient


# --- files -----------------------------------------------------------------------------------


def write_case(folder: Path, case: Case) -> None:
    """Writes one case: computed in float64, after a check that float32 says the same."""
    outputs, gradients = evaluate(case, torch.float64)
    gradients = {name: without_noise(gradient) for name, gradient in gradients.items()}
    check_conditioning(case, outputs, gradients)

    folder = folder / case.name
    case.model.save_pretrained(folder)
    write_tensors(folder / "inputs.safetensors", case.inputs)
    write_tensors(folder / "outputs.safetensors", outputs)
    write_tensors(folder / "gradients.safetensors", gradients)


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Writes tensors, floats as float32, with the versions and the seed in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    metadata = {
        "seed": str(SEED),
        # Without the build's suffix: the wheels for CPU and GPU give the same file.
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
    }
    path.write_bytes(with_sorted_metadata(safetensors.torch.save(stored, metadata)))


def with_sorted_metadata(file: bytes) -> bytes:
    """The same safetensors file with its metadata in order: the library writes it in any."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode().ljust(length)
    if len(text) != length:
        raise SystemExit("the safetensors header changed its length")
    return file[:8] + text + file[8 + length :]
