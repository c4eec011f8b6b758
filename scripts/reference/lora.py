"""Low-rank adapters, as PEFT has them, on the weights of `sequence_classification`.

    lora               an adapter beside queries and values, B not zero: logits, loss, gradients of what
                       is trained, and the merged matrices
    trajectory_lora    thirty steps from it; the weights at the end are the merged ones

`adapter/` in the first case is what PEFT writes; a tensor of the others is called as in the model that
is adapted, an adapter's as in PEFT's file without what stands before all names.
"""

import copy
import json
from pathlib import Path

import peft
import torch

from .cases import (
    LARGEST_GRADIENT_GAP,
    LARGEST_OUTPUT_GAP,
    Case,
    Tensors,
    generator,
    relative_gap,
    write_tensors,
)
from .fine_tuning import SETTINGS, loss_of, training_batches
from .trajectory import train, write_trajectory

RANK, ALPHA = 3, 5
BEFORE_NAMES = "base_model.model."


def write_lora(folder: Path, case: Case) -> None:
    """Writes both cases below the architecture's `folder`, on the model of `case`."""
    model = adapted(case)
    outputs, gradients, merged_weights = evaluate(model, case.inputs, torch.float64)
    rounded = evaluate(model, case.inputs, torch.float32)
    gap = max(relative_gap(outputs[name], rounded[0][name], 1.0) for name in outputs)
    if not gap <= LARGEST_OUTPUT_GAP:
        raise SystemExit(f"lora: float32 strays too far from float64: {gap:.1e}")
    gap = max(
        ((gradient - rounded[1][name]).norm() / gradient.norm()).item()
        for name, gradient in gradients.items()
    )
    if not gap <= LARGEST_GRADIENT_GAP:
        raise SystemExit(f"lora: float32 strays too far from float64: gradients {gap:.1e}")
    place = folder / "lora"
    write_tensors(place / "inputs.safetensors", case.inputs)
    write_tensors(place / "outputs.safetensors", outputs | merged_weights)
    write_tensors(place / "gradients.safetensors", gradients)
    write_adapter(model, place / "adapter")

    batches = training_batches("classify", generator("bert/trajectory_lora"), case.model.config)
    write_trajectory(
        folder / "trajectory_lora", model, batches, SETTINGS, loss_of, train_adapters
    )


def adapted(case: Case) -> peft.PeftModel:
    """The model with an adapter of random numbers."""
    settings = peft.LoraConfig(
        task_type="SEQ_CLS",
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=["query", "value"],
        modules_to_save=["classifier", "pooler"],
    )
    model = peft.get_peft_model(copy.deepcopy(case.model), settings).eval()
    stream = generator("bert/lora")
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if ".lora_" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=stream))
    return model


def evaluate(model: peft.PeftModel, inputs: Tensors, dtype: torch.dtype) -> tuple[Tensors, Tensors, Tensors]:
    """Logits and loss, gradients, and the merged matrices, of a copy of the model in this precision."""
    model = copy.deepcopy(model).to(dtype)
    result = model(**inputs)
    result.loss.backward()
    gradients = {
        f"grad.{bare(name)}": p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    before = dict(model.named_parameters())
    adapted_ones = {bare(name) for name in before if ".base_layer.weight" in name}
    weights = {f"merged.{name}": w for name, w in merged(before).items() if name in adapted_ones}
    return {"logits": result.logits.detach(), "loss": result.loss.detach()}, gradients, weights


def bare(name: str) -> str:
    """A parameter's name as the model that is adapted, or PEFT's file, has it."""
    for part in (".base_layer", ".modules_to_save.default", ".default"):
        name = name.replace(part, "")
    return name.removeprefix(BEFORE_NAMES)


def merged(parameters: Tensors) -> Tensors:
    """The weights of a model without adapters that computes the same."""
    own = {name: p.detach() for name, p in parameters.items() if ".original_module." not in name}
    weights = {bare(name): p for name, p in own.items() if ".lora_" not in name}
    for name, a in own.items():
        if ".lora_A." in name:
            b = own[name.replace(".lora_A.", ".lora_B.")]
            layer = bare(name).replace(".lora_A.weight", ".weight")
            weights[layer] = weights[layer] + ALPHA / RANK * (b @ a)
    return weights


def train_adapters(*arguments) -> tuple[Tensors, Tensors]:
    """As `train`; the parameters are the merged ones."""
    curves, parameters = train(*arguments)
    return curves, merged(parameters)


def write_adapter(model: peft.PeftModel, folder: Path) -> None:
    """What PEFT writes, without what says who wrote it where."""
    model.save_pretrained(folder)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = "../../sequence_classification"
    for name in ("target_modules", "modules_to_save"):
        config[name] = sorted(set(config[name]))
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "README.md").unlink(missing_ok=True)
