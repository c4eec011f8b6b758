#!/usr/bin/env python3
"""Holds `kiln finetune --lora` and `kiln merge` against PEFT.

For every model given and every task of examples/data/tasks:

1. `kiln finetune --lora` makes a run of a few steps at a rate that moves much.
2. PEFT opens the run's `base/` with the checkpoint's `adapter/`: its logits are those that
   `kiln forward` gives for the checkpoint, within 1e-5.
3. PEFT merges the two: every weight is that of the checkpoint within 1e-6, and what `kiln merge`
   writes is the checkpoint's file to the last byte.
4. PEFT makes an adapter of its own, with other layers and another factor: `kiln merge` gives the
   weights that PEFT's merging gives, within 1e-6.

The bounds are those of float32: a logit is a sum of a few hundred products, a merged weight of a few.
Needs scripts/requirements-reference.txt and peft. Run from the repository's root:

    python scripts/check_peft.py target/debug/kiln RUN...     # runs or folders of pretrained models
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

DATA = Path("examples/data/tasks")
TASKS = {
    "classify": ("topics-train.csv", "AutoModelForSequenceClassification", "SEQ_CLS", []),
    "regress": ("similarity-train.tsv", "AutoModelForSequenceClassification", "SEQ_CLS", []),
    "tag": ("tags-train.conll", "AutoModelForTokenClassification", "TOKEN_CLS", []),
    "qa": ("questions-train.json", "AutoModelForQuestionAnswering", "QUESTION_ANS", []),
    "choose": ("choices-train.jsonl", "AutoModelForMultipleChoice", None, ["--text", "first"]),
}
LOGITS, WEIGHTS = 1e-5, 1e-6


def run(*words: object) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")


def auto(task: str, folder: Path) -> torch.nn.Module:
    kind = getattr(transformers, TASKS[task][1])
    if task == "qa" and "xlnet" in (folder / "config.json").read_text():
        kind = transformers.XLNetForQuestionAnsweringSimple
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    if report["missing_keys"] or report["unexpected_keys"]:
        sys.exit(f"{folder}: {report}")
    return model.eval()


def inputs(task: str, vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (2, 3, 12) if task == "choose" else (3, 12)
    ids = torch.randint(5, vocabulary, shape, generator=generator)
    mask = torch.ones(shape, dtype=torch.long)
    if task != "choose":
        mask[1, 9:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def logits(model: torch.nn.Module, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        output = model(**given)
    names = ("logits", "start_logits", "end_logits")
    return {name: output[name] for name in names if name in output}


def gap(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor | None = None) -> float:
    difference = (a.float() - b.float()).abs()
    if mask is not None and difference.shape[:2] == mask.shape:
        difference = difference[mask.bool()]
    return difference.max().item()


def largest_gap(merged: dict[str, torch.Tensor], file: Path, what: str) -> float:
    written = load_file(file)
    # XLNet's attention and the like stand in both; tied tables in one.
    missing = [name for name in written if name not in merged and "position_ids" not in name]
    if missing:
        sys.exit(f"{what}: not PEFT's: {missing}")
    return max(gap(written[name], merged[name]) for name in written if name in merged)


def other_layers(model: torch.nn.Module) -> list[str]:
    """Layers other than those that Kiln adapts: the feed-forward ones, by their whole names."""
    names = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)]
    found = [name for name in names if name.endswith(("intermediate.dense", "ff.layer_1"))]
    return found + [name for name in names if name.endswith(("key", "key_proj"))]


def check(kiln: Path, model: Path, task: str, targets: str | None, folder: Path) -> list[float]:
    data, _, peft_task, flags = TASKS[task]
    if targets:
        flags = [*flags, "--lora-targets", targets]
    output = folder / "run"
    run(
        kiln, "finetune", task, "--model", model, "--train", DATA / data, "--output", output,
        "--lora", 4, "--lora-alpha", 6, "--lr", 0.01, "--steps", 8, "--batch-size", 4, *flags,
    )  # fmt: skip
    checkpoint = output / "checkpoints" / "step-00000008"
    base = auto(task, output / "base")
    vocabulary = base.config.vocab_size
    given = inputs(task, vocabulary)
    before = logits(base, given)
    adapted = peft.PeftModel.from_pretrained(base, checkpoint / "adapter").eval()
    theirs = logits(adapted, given)
    save_file(given, folder / "x.safetensors")
    run(
        kiln, "forward", "--model", checkpoint, "--inputs", folder / "x.safetensors",
        "--outputs", folder / "y.safetensors",
    )  # fmt: skip
    ours = load_file(folder / "y.safetensors")
    mask = given["attention_mask"]
    of_logits = max(gap(theirs[name], ours[name], mask) for name in theirs)
    moved = max(gap(theirs[name], before[name], mask) for name in theirs)

    merged = adapted.merge_and_unload().state_dict()
    of_weights = largest_gap(merged, checkpoint / "model.safetensors", "merged")
    run(kiln, "merge", "--model", output, "--output", folder / "merged")
    files = [folder / "merged", checkpoint]
    if len({(file / "model.safetensors").read_bytes() for file in files}) != 1:
        sys.exit("kiln merge is not what the run has merged")

    torch.manual_seed(2)
    fresh = auto(task, output / "base")
    settings = peft.LoraConfig(
        task_type=peft_task, r=3, lora_alpha=5, use_rslora=True, target_modules=other_layers(fresh),
        init_lora_weights=False, modules_to_save=["classifier"] if task == "classify" else None,
    )  # fmt: skip
    made = peft.get_peft_model(fresh, settings)
    made.save_pretrained(folder / "made")
    run(
        kiln, "merge", "--model", output / "base", "--adapter", folder / "made",
        "--output", folder / "made-merged",
    )  # fmt: skip
    merged = made.merge_and_unload().state_dict()
    of_made = largest_gap(merged, folder / "made-merged" / "model.safetensors", "made")
    if largest_gap(merged, output / "base" / "model.safetensors", "base") < 1e-2:
        sys.exit("PEFT's own adapter changes nothing")
    auto(task, folder / "made-merged")
    return [of_logits, moved, of_weights, of_made]


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold Kiln's adapters against PEFT's.")
    parser.add_argument("kiln", type=Path, help="the command, e.g. target/debug/kiln")
    parser.add_argument("models", type=Path, nargs="+", help="pretrained models")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--targets", help="--lora-targets of Kiln's runs, e.g. all-linear")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"peft {peft.__version__}, transformers {transformers.__version__}")
    print("model task  logits' gap (moved by the adapter)  merged weights' gap, PEFT's own adapter's")
    failed = False
    for model in arguments.models:
        for task in arguments.tasks:
            with tempfile.TemporaryDirectory() as folder:
                found = check(arguments.kiln, model, task, arguments.targets, Path(folder))
            of_logits, moved, of_weights, of_made = found
            # An adapter that changes nothing proves nothing.
            good = of_logits < LOGITS and moved > 1e-2 and max(of_weights, of_made) < WEIGHTS
            failed |= not good
            print(
                f"{model.name} {task:8}  {of_logits:.1e} ({moved:.2f})  {of_weights:.1e} {of_made:.1e}"
                f"{'' if good else '  WRONG'}",
                flush=True,
            )
    sys.exit(failed)


if __name__ == "__main__":
    main()
