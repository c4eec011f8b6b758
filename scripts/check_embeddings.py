#!/usr/bin/env python3
"""Holds `kiln predict embed` against sentence-transformers.

Both read a folder as sentence-transformers writes it and make a vector of each of the first lines of a
text file, as they do when nobody says otherwise: pooling, length, small letters and normalising are what
the folder's files say. The lines are joined two by two, four by four and so on as well, so that some
texts are long, and some are cut. No number of any vector differs by 1e-5 or more, the bound of float32
for outputs. Exit code 1 otherwise. Needs scripts/requirements-embeddings.txt:

    python scripts/check_embeddings.py target/debug/kiln MODEL TEXTS
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import sentence_transformers
import transformers
from safetensors.numpy import load_file

BOUND = 1e-5


def read(file: Path, count: int) -> list[str]:
    """As many lines, and longer texts that are made of them."""
    lines = file.read_text("utf-8").split("\n")
    lines = [line.strip() for line in lines if line.strip()][:count]
    if not lines:
        sys.exit(f"{file}: no text in it")
    texts, length = list(lines), 2
    while length <= len(lines) and length <= 64:
        texts += [" ".join(lines[at : at + length]) for at in range(0, len(lines), 8 * length)]
        length *= 2
    return texts


def ours(kiln: Path, model: Path, texts: list[str]) -> numpy.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "vectors.safetensors"
        done = subprocess.run(
            [kiln, "predict", "embed", "--model", model, "--output", output],
            input="\n".join(texts), capture_output=True, text=True, encoding="utf-8",
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        print(done.stderr, end="")
        return load_file(output)["embeddings"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold Kiln's vectors against sentence-transformers'.")
    parser.add_argument("kiln", type=Path, help="the command, e.g. target/debug/kiln")
    parser.add_argument("model", type=Path, help="a folder as sentence-transformers writes it")
    parser.add_argument("texts", type=Path, help="a text file, a text a line")
    parser.add_argument("--lines", type=int, default=400, help="lines of it (default 400)")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(
        f"sentence-transformers {sentence_transformers.__version__}, "
        f"transformers {transformers.__version__}"
    )
    texts = read(arguments.texts, arguments.lines)
    found = ours(arguments.kiln, arguments.model, texts)
    model = sentence_transformers.SentenceTransformer(str(arguments.model), device="cpu")
    expected = model.encode(texts, batch_size=32, show_progress_bar=False)
    if found.shape != expected.shape:
        sys.exit(f"kiln gives {found.shape}, sentence-transformers {expected.shape}")
    gaps = numpy.abs(found - expected).max(axis=1)
    # Vectors that are all the same prove nothing.
    differ = numpy.abs(expected - expected[0]).max()
    good = bool(gaps.max() < BOUND and differ > 1e-2)
    print(
        f"{len(texts)} texts, vectors of {found.shape[1]}: largest difference {gaps.max():.2e}, mean of "
        f"the texts' largest {gaps.mean():.2e}{'' if good else '  WRONG'}"
    )
    if gaps.max() >= BOUND:
        print(f"the worst text is {texts[int(gaps.argmax())]!r}")
    sys.exit(not good)


if __name__ == "__main__":
    main()
