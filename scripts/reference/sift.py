"""SiFT's cases: scale-invariant fine-tuning (He et al. 2021), on the classifiers of BERT and, the
first case alone, DeBERTa and XLNet.

    sift             losses, the perturbation after the ascent step, gradients; the model and the
                     batch of `sequence_classification`
    sift_trajectory  thirty steps from the same weights, a new perturbation in each
    sift_choose      ten steps of choosing, from `multiple_choice`

Written from the definition, since transformers has none. With N the LayerNorm without gain and
shift, x the sum of the embeddings and z(.) the logits:

    t       = z(N(x))
    delta_1 = delta_0 + step_size g / (1e-6 + max |g|),   g = d/d delta_0 sum CE(p(t), z(N(x) + delta_0))
    loss    = CE(labels, t) + weight mean symmetric(z(N(x) + delta_1), t)

N(x) is a constant in the perturbed passes, the maximum runs over the hidden axis, and
symmetric(p, t) = CE(p(t), p) + CE(p(p), t) with constant first arguments. What is random in
training, delta_0, is an input here.

XLNet's vectors of words meet no LayerNorm. There the clean pass reads x as it is, and the perturbed ones
x + s delta with s the deviation that N divides by: the same disturbance of N(x), in x's own scale.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, layer_norm, mse_loss
from transformers import PreTrainedModel

from .cases import (
    LARGEST_LOSS_GAP,
    ZERO_GRADIENT,
    Case,
    Tensors,
    generator,
    relative_gap,
    sentence_batch,
    without_noise,
    write_tensors,
)
from .head_cases import choices
from .trajectory import Settings, write_trajectory

EPSILON = 1e-7
DIVISION_FLOOR = 1e-6

WEIGHT = 5.0
# Far above the published 1e-2 and 1e-4, at which the direction of the step would drown in delta_0.
INIT_PERTURBATION = 0.1
STEP_SIZE = 0.1

# Wider than elsewhere, for all that comes after the step: its direction is a quotient of small
# differences, the clean shares minus the perturbed ones. Half of what Kiln may be off by.
LARGEST_PERTURBED_GAP = 5e-6


def soft_cross_entropy(shares: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of each row against constant shares."""
    return -(shares.detach() * logits.log_softmax(-1)).sum(-1)


def symmetric(perturbed: Tensor, clean: Tensor) -> Tensor:
    """Both cross-entropies of each row."""
    return soft_cross_entropy(clean.softmax(-1), perturbed) + soft_cross_entropy(
        perturbed.softmax(-1), clean
    )


ASCENT_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "symmetric-kl": symmetric,
    "kl": lambda perturbed, clean: soft_cross_entropy(clean.softmax(-1), perturbed),
    # A mean over labels, a sum over rows.
    "mse": lambda perturbed, clean: mse_loss(perturbed, clean, reduction="none").mean(-1),
}


def draw(stream: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """delta_0, as training draws it."""
    noise = INIT_PERTURBATION * torch.randn(shape, generator=stream)
    return noise.clamp(-2 * INIT_PERTURBATION, 2 * INIT_PERTURBATION)


def has_norm(model: PreTrainedModel) -> bool:
    """Whether its embeddings end in a LayerNorm."""
    return hasattr(model.base_model, "embeddings")


def logits_of(
    model: PreTrainedModel, batch: Tensors, replace: Callable[[Tensor], Tensor]
) -> Tensor:
    """The logits when `replace` stands before the embeddings' LayerNorm, or behind the words' vectors."""
    if has_norm(model):
        hook = model.base_model.embeddings.LayerNorm.register_forward_pre_hook(
            lambda _, arguments: (replace(arguments[0]),)
        )
    else:
        # XLNet's batches run along the second axis inside.
        hook = model.base_model.word_embedding.register_forward_hook(
            lambda _module, _arguments, embedded: replace(embedded.transpose(0, 1)).transpose(0, 1)
        )
    arguments = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    logits = model(**arguments).logits
    hook.remove()
    return logits


def ascend(
    model: PreTrainedModel,
    batch: Tensors,
    constant: Tensor,
    scale: Tensor,
    clean: Tensor,
    ascent_loss: str,
) -> Tensor:
    """delta_1."""
    # Of continuations too, which are rows of their own in the model.
    delta = batch["delta_0"].to(constant).reshape(constant.shape).clone().requires_grad_()
    frozen = copy.deepcopy(model).requires_grad_(False)
    perturbed = logits_of(frozen, batch, lambda _: constant + scale * delta)
    ASCENT_LOSSES[ascent_loss](perturbed, clean.detach()).sum().backward()
    step = delta.grad / (DIVISION_FLOOR + delta.grad.abs().amax(-1, keepdim=True))
    return (delta + STEP_SIZE * step).detach()


def losses_of(
    model: PreTrainedModel, batch: Tensors, results: Tensors | None = None
) -> Tensors:
    """The loss and its two terms; adds what stands between to `results`."""
    read = {}

    def normalise(embedded: Tensor) -> Tensor:
        if has_norm(model):
            embedded = layer_norm(embedded, embedded.shape[-1:], eps=EPSILON)
        read["by the layers"] = embedded
        return embedded

    clean = logits_of(model, batch, normalise)
    constant = read["by the layers"].detach()
    scale = torch.ones_like(constant[..., :1])
    if not has_norm(model):
        scale = (constant.var(-1, unbiased=False, keepdim=True) + EPSILON).sqrt()
    delta = ascend(model, batch, constant, scale, clean, "symmetric-kl")
    perturbed = logits_of(model, batch, lambda _: constant + scale * delta)
    if results is not None:
        results |= {"logits": clean, "perturbed_logits": perturbed, "delta_1": delta}
        results["delta_1.mse"] = ascend(model, batch, constant, scale, clean, "mse")
    task = cross_entropy(clean, batch["labels"])
    sift = symmetric(perturbed, clean).mean()
    return {"loss": task + WEIGHT * sift, "task_loss": task, "sift_loss": sift}


def evaluate(case: Case, dtype: torch.dtype) -> tuple[Tensors, Tensors]:
    """Results and gradients in the given precision."""
    model = copy.deepcopy(case.model).to(dtype)
    results: Tensors = {}
    losses = losses_of(model, case.inputs, results)
    losses["loss"].backward()
    gradients = {
        f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    return {name: tensor.detach() for name, tensor in (results | losses).items()}, gradients


def write_sift(folder: Path, classifier: Case) -> None:
    """Writes both cases of BERT; the model's files are those of `classifier`."""
    case = write_sift_pass(folder, classifier, generator("bert/sift"))
    settings = Settings(
        bias_correction=True,
        schedule="linear",
        epsilon=1e-8,
        learning_rate=1e-3,
        warmup_steps=5,
        total_steps=30,
        max_grad_norm=0.5,
    )
    batches = training_batches(settings.total_steps, classifier.model.config)
    write_trajectory(folder / "sift_trajectory", case.model, batches, settings, losses_of)


def write_sift_choices(folder: Path, case: Case) -> None:
    """Writes the case `sift_choose`."""
    steps, rows, seq_len, num_choices = 10, 6, 7, 3
    settings = Settings(
        bias_correction=True,
        schedule="linear",
        # As of all choices: what moves all continuations' scores alike has no gradient.
        epsilon=1e-4,
        learning_rate=1e-3,
        warmup_steps=2,
        total_steps=steps,
        max_grad_norm=0.1,
    )
    config, stream = case.model.config, generator("bert/sift_choose")
    batches = []
    for _ in range(steps):
        lengths = torch.randint(5, seq_len + 1, (rows,), generator=stream).tolist()
        batch = sentence_batch(stream, config.vocab_size, seq_len=seq_len, lengths=lengths)
        batch["delta_0"] = draw(stream, (rows, seq_len, config.hidden_size))
        batch = choices(batch, num_choices)
        batch["labels"] = torch.randint(0, num_choices, (rows // num_choices,), generator=stream)
        batches.append(batch)
    stacked = {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}
    write_trajectory(folder / "sift_choose", case.model, stacked, settings, losses_of)


def write_sift_pass(folder: Path, classifier: Case, stream: torch.Generator) -> Case:
    """Writes the case `sift`, and returns it."""
    hidden_size = classifier.model.config.hidden_size
    shape = (*classifier.inputs["input_ids"].shape, hidden_size)
    case = Case("sift", classifier.model, classifier.inputs | {"delta_0": draw(stream, shape)}, None)
    outputs, gradients = evaluate(case, torch.float64)
    gradients = {name: without_noise(gradient) for name, gradient in gradients.items()}
    check_conditioning((outputs, gradients), evaluate(case, torch.float32))
    for name, tensors in {"inputs": case.inputs, "outputs": outputs, "gradients": gradients}.items():
        write_tensors(folder / case.name / f"{name}.safetensors", tensors)
    return case


def check_conditioning(exact: tuple[Tensors, Tensors], rounded: tuple[Tensors, Tensors]) -> None:
    """Ends the script where float32 strays from float64; prints how close it is."""
    (outputs, gradients), (rounded_outputs, rounded_gradients) = exact, rounded
    for key, output in outputs.items():
        is_loss = key.endswith("loss")
        gap = relative_gap(output, rounded_outputs[key], floor=0.0 if is_loss else 1.0)
        limit = LARGEST_LOSS_GAP if is_loss else LARGEST_PERTURBED_GAP
        report(key, gap, limit)
    gaps = [
        ((gradient - rounded_gradients[key]).norm() / gradient.norm()).item()
        for key, gradient in gradients.items()
        if gradient.abs().max() > ZERO_GRADIENT
    ]
    report("gradients", max(gaps), LARGEST_PERTURBED_GAP)


def report(name: str, gap: float, limit: float) -> None:
    # Written so that a NaN fails as well.
    if not gap <= limit:
        raise SystemExit(f"sift: float32 strays too far from float64: {name} {gap:.1e}")
    print(f"sift: float32 is this far from float64: {name} {gap:.1e}")


def training_batches(steps: int, config) -> Tensors:
    """Different batches of three rows with their perturbations, stacked."""
    stream = generator("bert/sift_trajectory")
    batches = []
    for _ in range(steps):
        lengths = torch.randint(6, 10, (3,), generator=stream).tolist()
        batch = sentence_batch(stream, config.vocab_size, seq_len=9, lengths=lengths)
        batch["labels"] = torch.randint(0, config.num_labels, (3,), generator=stream)
        batch["delta_0"] = draw(stream, (*batch["input_ids"].shape, config.hidden_size))
        batches.append(batch)
    return {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}
