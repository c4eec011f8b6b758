"""BERT with weights from a formula, and numbers for it that were worked out beforehand.

They hold this script, its updates and the installed versions to account before anything is
written: the reference would otherwise only be compared with itself.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForPreTraining

from .cases import IGNORED, Case, Tensors, build, evaluate, run
from .trajectory import Settings, train

# The numbers have ten decimals; anything else than rounding of the last one is a difference.
TOLERANCE = 2e-10
TRAJECTORY_TOLERANCE = 6e-9

EXPECTED = {
    "hidden [0, 0]": [0.5096719274, -0.4200267867, -1.3894998417, 1.3019540415],
    "hidden [1, 4]": [0.7374153578, -0.0600476037, -1.6524340602, 0.5944488582],
    "pooled [0]": [-0.2440923132, 0.2562514592, 0.7845940019, -0.6378529923],
    "prediction logits [0, 1, :4]": [0.7491190868, 0.0501475365, -1.0040632107, 0.1681743199],
    "next sentence logits": [0.3340178490, 0.8295696430, 0.3288104921, 0.8384741299],
    "masked LM loss": [2.6158331619],
    "masked LM loss, original": [2.6158244425],
    "next sentence loss": [0.7208750074],
    "loss": [3.3367081693],
    "norm of all gradients": [1.7129231420],
    "norm of the word table's gradient": [1.0109981427],
    # Central differences of the loss in float64 give 0.07733093664.
    "norm of layer 0's query gradient": [0.0773309366],
    "norm of layer 0's intermediate gradient": [0.0707590424],
    "gradient of [PAD]'s row": [-0.0969889498, 0.0075140093, -0.0530196545, 0.0157513239],
    "hidden [0, 0], tanh gelu": [0.5096699576, -0.4200289458, -1.3894972176, 1.3019573946],
}
EXPECTED_LOSSES = {
    "original": [3.33669945, 3.33669945, 2.98831476, 2.78933193, 2.65723708, 2.50806775],
    "linear": [3.33670817, 3.33670817, 3.23444464, 3.05501400, 2.92860471, 2.84746277],
}


def golden_model(dtype: torch.dtype, hidden_act: str = "gelu") -> BertForPreTraining:
    """The k-th parameter by name, from 1, is 0.5 sin(k + i) at flat index i; gains are one more."""
    config = BertConfig(
        vocab_size=11,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=6,
        max_position_embeddings=8,
        hidden_act=hidden_act,
    )
    model = build(BertForPreTraining, config).to(dtype)
    with torch.no_grad():
        for k, (name, parameter) in enumerate(sorted(model.named_parameters()), start=1):
            angles = k + torch.arange(parameter.numel(), dtype=torch.float64)
            values = 0.5 * torch.sin(angles).reshape(parameter.shape)
            parameter.copy_(values + 1 if name.endswith("LayerNorm.weight") else values)
    return model


def golden_inputs() -> Tensors:
    input_ids = torch.tensor([[2, 5, 6, 3, 7, 8, 3, 0], [2, 9, 3, 10, 4, 3, 0, 0]])
    labels = torch.full_like(input_ids, IGNORED)
    labels[0, 1], labels[0, 5], labels[1, 4] = 5, 8, 10
    return {
        "input_ids": input_ids,
        "attention_mask": (input_ids != 0).long(),
        "token_type_ids": torch.tensor([[0, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1, 0, 0]]),
        "labels": labels,
        "next_sentence_label": torch.tensor([0, 1]),
    }


def pretraining_loss(outputs: Tensors, inputs: Tensors) -> Tensor:
    """The sum of both losses; adds them to the outputs one by one."""
    logits, labels = outputs["prediction_logits"].flatten(0, 1), inputs["labels"].flatten()
    outputs["mlm_loss"] = cross_entropy(logits, labels, ignore_index=IGNORED)
    outputs["next_sentence_loss"] = cross_entropy(
        outputs["seq_relationship_logits"], inputs["next_sentence_label"]
    )
    return outputs["loss"]


def golden() -> Case:
    return Case("golden", golden_model(torch.float32), golden_inputs(), pretraining_loss)


def check_golden() -> None:
    """Compares with the numbers above in float64; a difference ends the script."""
    differences = [
        f"  {name}: found {found}, expected {expected}"
        for name, found, expected, tolerance in golden_comparisons()
        if max(abs(f - e) for f, e in zip(found, expected, strict=True)) > tolerance
    ]
    if differences:
        raise SystemExit("\n".join(["the golden numbers do not hold:", *differences]))


def golden_comparisons():
    """Yields (name, found, expected, tolerance)."""
    inputs = golden_inputs()
    case = Case("golden", golden_model(torch.float64), inputs, pretraining_loss)
    outputs, gradients = evaluate(case, torch.float64)
    gradients = {name.removeprefix("grad."): tensor for name, tensor in gradients.items()}
    word_gradient = gradients["bert.embeddings.word_embeddings.weight"]
    layer = "bert.encoder.layer.0."
    tanh = run(golden_model(torch.float64, "gelu_new"), inputs)
    found = {
        "hidden [0, 0]": outputs["last_hidden_state"][0, 0],
        "hidden [1, 4]": outputs["last_hidden_state"][1, 4],
        "pooled [0]": outputs["pooler_output"][0],
        "prediction logits [0, 1, :4]": outputs["prediction_logits"][0, 1, :4],
        "next sentence logits": outputs["seq_relationship_logits"].flatten(),
        "masked LM loss": outputs["mlm_loss"],
        "masked LM loss, original": original_denominator(outputs["mlm_loss"], inputs),
        "next sentence loss": outputs["next_sentence_loss"],
        "loss": outputs["loss"],
        "norm of all gradients": torch.cat([g.flatten() for g in gradients.values()]).norm(),
        "norm of the word table's gradient": word_gradient.norm(),
        "norm of layer 0's query gradient": gradients[layer + "attention.self.query.weight"].norm(),
        "norm of layer 0's intermediate gradient": gradients[
            layer + "intermediate.dense.weight"
        ].norm(),
        "gradient of [PAD]'s row": word_gradient[0],
        "hidden [0, 0], tanh gelu": tanh["last_hidden_state"][0, 0],
    }
    for name, expected in EXPECTED.items():
        yield name, found[name].flatten().tolist(), expected, TOLERANCE
    for schedule, expected in EXPECTED_LOSSES.items():
        losses = golden_losses(case, schedule, len(expected))
        yield f"losses, {schedule}", losses, expected, TRAJECTORY_TOLERANCE


def original_denominator(mlm_loss: Tensor, inputs: Tensors) -> Tensor:
    """The original code divides by the number of predictions plus 1e-5."""
    count = int((inputs["labels"] != IGNORED).sum())
    return mlm_loss * count / (count + 1e-5)


def golden_losses(case: Case, schedule: str, steps: int) -> list[float]:
    """The loss before each step on one batch, under either update and its own loss."""
    settings = Settings(
        bias_correction=schedule == "linear",
        schedule=schedule,
        epsilon=1e-6,
        learning_rate=0.01,
        warmup_steps=2,
        total_steps=10,
        max_grad_norm=1.0,
    )

    def loss_of(model: BertForPreTraining, batch: Tensors) -> Tensor:
        outputs = run(model, batch)
        loss = pretraining_loss(outputs, batch)
        if schedule == "linear":
            return loss
        mlm_loss = outputs["mlm_loss"]
        return loss - mlm_loss + original_denominator(mlm_loss, batch)

    curves, _ = train(case.model, [case.inputs] * steps, settings, loss_of, torch.float64)
    return curves["losses"].tolist()
