"""Training runs: the optimizers, schedules and clipping that Kiln has to reproduce."""

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor

from .cases import Tensors, relative_gap, write_tensors

Losses = Callable[[torch.nn.Module, Tensors], Tensor | Tensors]
"""From (model, batch) to the loss, or to `loss` with its parts by name."""

RateFactor = Callable[[str], float]
"""What the learning rate of a parameter is multiplied by, by its name."""


def one_rate(name: str) -> float:
    """The learning rate as it is."""
    return 1.0


# Thirty steps of rounding; relative to max(1, the tensor's largest entry).
LARGEST_TRAJECTORY_GAP = 2e-6


@dataclass(frozen=True)
class Settings:
    """All that defines a run besides the first weights and the batches."""

    bias_correction: bool
    schedule: str
    epsilon: float
    learning_rate: float
    warmup_steps: int
    total_steps: int
    max_grad_norm: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    weight_decay: float = 0.01


def is_decayed(name: str) -> bool:
    """Weight decay spares biases and LayerNorm; embeddings are decayed, and so are XLNet's vectors
    that are added to queries, r_w_bias and its like."""
    is_bias = "bias" in name and not name.endswith(("r_w_bias", "r_r_bias", "r_s_bias"))
    return not is_bias and "LayerNorm" not in name and "layer_norm" not in name


class HuggingFaceUpdate:
    """torch's AdamW under transformers' linear schedule, clipped by torch.

    Step t from 0 has rate base t / W while t < W, then base (T - t) / (T - W). A parameter's own rate
    is that times its factor; the largest factor is 1.
    """

    def __init__(self, model: torch.nn.Module, settings: Settings, rate_factor: RateFactor = one_rate):
        named = list(model.named_parameters())
        factors = sorted({rate_factor(name) for name, _ in named}, reverse=True)
        groups = [
            {
                "params": [
                    p
                    for name, p in named
                    if is_decayed(name) == decayed and rate_factor(name) == factor
                ],
                "weight_decay": settings.weight_decay if decayed else 0.0,
                "lr": settings.learning_rate * factor,
            }
            for factor in factors
            for decayed in (True, False)
        ]
        self.parameters = [p for _, p in named]
        self.max_grad_norm = settings.max_grad_norm
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=settings.learning_rate,
            betas=(settings.beta_1, settings.beta_2),
            eps=settings.epsilon,
            foreach=False,
        )
        self.scheduler = transformers.get_linear_schedule_with_warmup(
            self.optimizer, settings.warmup_steps, settings.total_steps
        )

    def step(self) -> tuple[float, float]:
        """Applies the gradients; returns their norm before clipping, and the rate."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        rate = self.scheduler.get_last_lr()[0]
        self.optimizer.step()
        self.scheduler.step()
        return norm.item(), rate


class OriginalUpdate:
    """The update of the original BERT code (Devlin et al. 2019), from its description.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w = w - rate (m / (sqrt(v) + eps) + decay w).
    No bias correction. Step t from 0 has rate base t / W while t < W, then base (1 - t / T): the
    decay is counted from step 0, so the rate drops at step W. Under the schedule "electra" (Clark et
    al. 2020) the rate of the warmup is multiplied by 1 - t / T as well.
    """

    def __init__(self, model: torch.nn.Module, settings: Settings, _: RateFactor = one_rate):
        self.settings = settings
        self.named = list(model.named_parameters())
        self.first = [torch.zeros_like(p) for _, p in self.named]
        self.second = [torch.zeros_like(p) for _, p in self.named]
        self.steps_done = 0

    def rate(self) -> float:
        done, settings = self.steps_done, self.settings
        line = 1 - done / settings.total_steps
        if done < settings.warmup_steps:
            rising = settings.learning_rate * done / settings.warmup_steps
            return rising * line if settings.schedule == "electra" else rising
        return settings.learning_rate * line

    @torch.no_grad()
    def step(self) -> tuple[float, float]:
        """Applies the gradients; returns their norm before clipping, and the rate."""
        settings, rate = self.settings, self.rate()
        norms = [torch.linalg.vector_norm(p.grad) for _, p in self.named]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        scale = settings.max_grad_norm / norm.clamp(min=settings.max_grad_norm)
        for (name, parameter), first, second in zip(self.named, self.first, self.second):
            gradient = parameter.grad * scale
            first.lerp_(gradient, 1 - settings.beta_1)
            second.lerp_(gradient.square(), 1 - settings.beta_2)
            update = first / (second.sqrt() + settings.epsilon)
            if is_decayed(name):
                update += settings.weight_decay * parameter
            parameter -= rate * update
        self.steps_done += 1
        return norm.item(), rate


def train(
    model: torch.nn.Module,
    batches: Iterable[Tensors],
    settings: Settings,
    loss_of: Losses,
    dtype: torch.dtype,
    rate_factor: RateFactor = one_rate,
) -> tuple[Tensors, Tensors]:
    """Trains a copy of the model, one batch a step.

    Returns the curves (`losses` and those of its parts before each step, `grad_norms` before
    clipping, `learning_rates`; all [steps]) and the final parameters by name.
    """
    model = copy.deepcopy(model).to(dtype)
    update_class = HuggingFaceUpdate if settings.bias_correction else OriginalUpdate
    update = update_class(model, settings, rate_factor)
    curves: dict[str, list[float]] = defaultdict(list)
    for batch in batches:
        model.zero_grad()
        losses = loss_of(model, batch)
        if isinstance(losses, Tensor):
            losses = {"loss": losses}
        losses["loss"].backward()
        norm, rate = update.step()
        for name, loss in losses.items():
            curves[f"{name}es"].append(loss.item())
        curves["grad_norms"].append(norm)
        curves["learning_rates"].append(rate)
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in curves.items()}
    return tensors, {name: p.detach() for name, p in model.named_parameters()}


Training = Callable[
    [torch.nn.Module, Iterable[Tensors], Settings, Losses, torch.dtype], tuple[Tensors, Tensors]
]
"""A loop such as `train`."""


def write_trajectory(
    folder: Path,
    model: torch.nn.Module,
    stacked: Tensors,
    settings: Settings,
    loss_of: Losses,
    train: Training = train,
) -> None:
    """Writes a run over stacked batches ([steps, batch, ...]) that starts from the given model."""
    batches = [
        {name: tensor[step] for name, tensor in stacked.items()}
        for step in range(settings.total_steps)
    ]
    rounded_curves, rounded_parameters = train(model, batches, settings, loss_of, torch.float32)
    curves, parameters = train(model, batches, settings, loss_of, torch.float64)
    check_trajectory(folder.name, curves | parameters, rounded_curves | rounded_parameters)
    if curves["grad_norms"].min() <= settings.max_grad_norm:
        raise SystemExit(f"{folder.name}: a step was not clipped")

    write_tensors(folder / "inputs.safetensors", stacked)
    write_tensors(folder / "outputs.safetensors", curves)
    write_tensors(folder / "parameters.safetensors", parameters)
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")


def check_trajectory(name: str, exact: Tensors, rounded: Tensors) -> None:
    """Ends the script where float32 and float64 disagree; prints by how much they do not.

    Key biases are left out. Their gradient is zero in exact arithmetic; in float32 it is noise,
    which Adam scales up to steps near the learning rate.
    """
    gaps = {
        key: relative_gap(exact[key], rounded[key], floor=1.0)
        for key in exact
        if not key.endswith(("key.bias", "key_proj.bias"))
    }
    worst = max(gaps, key=gaps.__getitem__)
    if not gaps[worst] <= LARGEST_TRAJECTORY_GAP:
        raise SystemExit(f"{name}: float32 is off by {gaps[worst]:.1e} in {worst}")
    print(f"{name}: float32 is within {gaps[worst]:.1e} of float64, {worst} being worst")
