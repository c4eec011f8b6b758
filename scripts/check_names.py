#!/usr/bin/env python3
"""Holds names and shapes of the parameters that Kiln writes against transformers'.

    python scripts/check_names.py KILN

KILN trains one step of every architecture and objective on a few sentences. Each model that comes
out is opened by the class that its config.json names and saved again; both files must hold the same
names and shapes. What Kiln writes beyond transformers' classes is listed: the positions of DeBERTa's
enhanced mask decoder, and the head of its discriminator, a class that transformers does not have. Exit
code 1 where anything else differs. Needs transformers, of the version in
scripts/requirements-reference.txt.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors import safe_open

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

# Flags, and beginnings of names that transformers has no place for.
RUNS = {
    "bert": ("bert", ()),
    "bert-mlm": ("bert --no-next-sentence", ()),
    "electra": ("electra", ()),
    "electra-apart": ("electra --share none --generator-size 0.5", ()),
    "deberta-rtd": (
        "deberta --objective rtd",
        ("deberta.embeddings.position_embeddings", "mask_predictions"),
    ),
    "deberta-mlm": ("deberta --objective mlm", ("deberta.embeddings.position_embeddings",)),
    "deberta-plain": ("deberta --objective mlm --mlm-head plain", ()),
    "deberta-legacy": ("deberta --objective mlm --mlm-head legacy", ()),
    "deberta-v1": ("deberta --preset v1-base --objective mlm --mlm-head legacy", ()),
    "xlnet": ("xlnet", ()),
    "roberta": ("roberta", ()),
}


def shapes(path):
    with safe_open(path, "pt") as file:
        return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}


def compare(folder, beyond):
    """Differences between a model's file and what transformers saves of it; and its class."""
    config = json.loads((folder / "config.json").read_text())
    name = config["architectures"][0]
    written = shapes(folder / "model.safetensors")
    klass = getattr(transformers, name, None)
    if klass is None:
        # Its encoder is known all the same.
        name, klass = f"{name} as AutoModel", transformers.AutoModel
    model, told = klass.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    told.pop("error_msgs")
    differences = [f"{kind}: {key}" for kind in told for key in sorted(map(str, told[kind]))]
    with tempfile.TemporaryDirectory() as again:
        model.save_pretrained(again)
        saved = shapes(Path(again) / "model.safetensors")
    if klass is transformers.AutoModel:
        prefix = model.base_model_prefix
        saved = {f"{prefix}.{key}": shape for key, shape in saved.items()}
    for key in sorted(written.keys() | saved.keys()):
        if written.get(key) != saved.get(key):
            differences.append(f"{key}: kiln {written.get(key)}, transformers {saved.get(key)}")
    known = [line for line in differences if any(part in line for part in beyond)]
    return name, [line for line in differences if line not in known], known


def main():
    kiln = os.path.abspath(sys.argv[1])
    failed = False
    with tempfile.TemporaryDirectory() as root:
        text = Path(root) / "text.txt"
        text.write_text("The potter opened the kiln and carried the clay to the river.\n\n" * 40)
        for run, (flags, beyond) in RUNS.items():
            subprocess.run(
                [kiln, "pretrain", *flags.split(), "--corpus", text, "--vocab-size", "300"]
                + ["--steps", "1", "--batch-size", "2", "--seq-len", "16", "--held-out", "0"]
                + ["--output", Path(root) / run, "--cache-dir", Path(root) / "cache"],
                check=True,
                capture_output=True,
            )
            checkpoint = Path(root) / run / "checkpoints" / "step-00000001"
            for config in sorted(checkpoint.rglob("config.json")):
                name, differences, known = compare(config.parent, beyond)
                failed |= bool(differences)
                print(f"{run} {config.parent.name}: {name}: {'differs' if differences else 'equal'}")
                for line in differences:
                    print(f"    {line}")
                for line in known:
                    print(f"    beyond transformers, {line}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
