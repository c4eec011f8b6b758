#!/usr/bin/env python3
"""Makes the reference tensors that Kiln's numeric tests are held against.

Every case is a small model with random weights, run by Hugging Face transformers on PyTorch, with
dropout off and eager attention; where transformers has no class for a training objective, its
models are run by the objective's definition. One folder a case, written to
crates/ARCHITECTURE/tests/fixtures/:

    config.json            the configuration, as transformers writes it
    model.safetensors      the weights, as transformers writes them (tied tables once)
    inputs.safetensors     arguments by Hugging Face name
    outputs.safetensors    results by Hugging Face name, and the losses
    gradients.safetensors  grad.NAME: the loss' gradient with respect to parameter NAME

A case of two models has a folder with config.json and model.safetensors for each; its parameters
are called MODEL.NAME, those that both share by the model that owns them. The trajectory cases hold
training steps instead, thirty as a rule; those of `tasks` lie in one JSON file. `reference/ARCHITECTURE.py` says what each case is for. On the same
versions and the same processor the files come out equal to the last bit, on other ones within
rounding.

A file of `reference/` has one function that writes all of its cases; the list below names them, with
the architecture that they are for.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

# The fixtures are made by hand, now and then: no compiled copies beside the sources.
sys.dont_write_bytecode = True

from reference.bert import make_bert  # noqa: E402
from reference.cases import make_deterministic  # noqa: E402
from reference.deberta import make_deberta  # noqa: E402
from reference.deberta_objectives import make_objectives  # noqa: E402
from reference.electra import make_electra  # noqa: E402
from reference.losses import make_losses  # noqa: E402
from reference.roberta import make_roberta  # noqa: E402
from reference.xlnet import make_xlnet  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent

CASES: list[tuple[str, Callable[[Path], None]]] = [
    ("bert", make_bert),
    ("deberta", make_deberta),
    ("deberta", make_objectives),
    ("electra", make_electra),
    ("roberta", make_roberta),
    ("tasks", make_losses),
    ("xlnet", make_xlnet),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the reference tensors of all architectures from transformers.",
        epilog="Needs the versions in scripts/requirements-reference.txt.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        help="write DIR/crates/ARCHITECTURE/tests/fixtures/CASE (default: this repository)",
    )
    output = parser.parse_args().output

    make_deterministic()
    for name, make in CASES:
        make(output / "crates" / name / "tests" / "fixtures")


if __name__ == "__main__":
    main()
