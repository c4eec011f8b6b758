#!/usr/bin/env python3
"""Compares Kiln's speed with PyTorch, transformers and `datasets` on this machine.

The same work in both, in turn (A B A B ...), each time in a process of its own with the same number
of threads, the first repetitions dropped:

    training step   4 layers of width 256, 30,522 words, batches of 16 x 128 with 20 predictions a
                    row, dropout 0.1, clipping, AdamW; against transformers as it stands and against
                    a loop tuned by hand that scores the vocabulary at predicted positions alone
    electra training step
                    a generator of width 64 and a discriminator of width 256, 4 layers each, over
                    one block of embeddings of width 128; batches as above with 19 predictions a row;
                    against transformers' two models as they stand and a loop tuned by hand
    deberta         a DeBERTa of BERT's size with v3's attention, without the mask decoder, which
                    transformers does not have: training step, inference, encoder alone
    xlnet           an XLNet of BERT's size that reads in two directions; batches as above with 21
                    predictions a row in random orders; 64 places of each batch are kept, 96
                    remembered. Training step, memory handed on from step to step, and inference
                    with a memory: against transformers' model as it stands and one by hand on the
                    same weights. Encoder alone, content stream without memory: against transformers
    inference       BERT's model of the training step, forward: with its heads, and the encoder alone
    prepare         text files to token ids on disk, against `datasets` and a fast tokenizer
    batches         masked batches of 16 x 128, against DataCollatorForLanguageModeling

Prints a table of ratios, Kiln's speed over the other's: the median of the rounds, and their range.
Before that it checks that both sides do the same work: equal losses on the same weights and batch,
close losses while training, equal counts of tokens. Whatever the ratios, the exit code is 0; it is
1 if the work is not the same.

Usage, from the repository's root:

    pip install -r scripts/requirements-compare.txt
    scripts/compare_pytorch.py --backends flex,tch

Builds Kiln's side with `cargo bench --no-run --bench compare`, unless --kiln names it.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parent.parent
PYTORCH = REPOSITORY / "scripts" / "compare" / "pytorch.py"
VOCAB = 30_522
TOKENS_IN_BATCH = 16 * 128
CASES = ["train", "electra", "deberta", "xlnet", "inference", "prepare", "batches"]


@dataclass
class Contender:
    """One side of a comparison: what the table calls it, and its command's arguments."""

    name: str
    arguments: list[str]
    is_kiln: bool
    threads: int


@dataclass
class Losses:
    """What the losses of equal work have in common."""

    # Fresh weights know nothing: the first loss lies within this distance of what that costs.
    start: float
    start_within: float
    # Relative difference of the mean losses. Without dropout and sampling nothing but rounding
    # makes one; with them, the two sides draw differently.
    mean_within: float


@dataclass
class Case:
    """The same work by several contenders; `tokens` of it a repetition."""

    name: str
    contenders: list[Contender]
    tokens: int
    losses: Losses | None = None


# The logarithms of the number of words, and of "follows" and "random".
BERT_START = math.log(VOCAB) + math.log(2)
WORDS_START = math.log(VOCAB)
TRAIN_LOSSES = Losses(BERT_START, 0.3, 5e-3)
# DeBERTa's and XLNet's.
WORD_LOSSES = Losses(WORDS_START, 0.3, 5e-3)
WORD_INFERENCE_LOSSES = Losses(WORDS_START, 0.3, 1e-5)
INFERENCE_LOSSES = Losses(BERT_START, 0.3, 1e-5)
# The words of the generator, and 50 times "original" and "replaced" of the discriminator. Its head
# starts with a small bias for either, the same at all tokens.
ELECTRA_LOSSES = Losses(math.log(VOCAB) + 50.0 * math.log(2), 1.5, 2e-2)


class Failure(Exception):
    """What the user is told, in one line."""


def main() -> None:
    options = parse_options()
    try:
        check_python(options.python)
        options.kiln = options.kiln or build(options.backends)
        with tempfile.TemporaryDirectory(prefix="kiln-compare-") as scratch:
            compare(options, Path(scratch))
    except Failure as failure:
        sys.exit(f"error: {failure}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="Needs the packages in scripts/requirements-compare.txt.",
    )
    parser.add_argument(
        "--backends",
        default="flex",
        metavar="LIST",
        help="Kiln's backends, e.g. flex,tch (default: flex)",
    )
    parser.add_argument(
        "--cases",
        default=",".join(CASES),
        metavar="LIST",
        help=f"what to compare (default: {','.join(CASES)})",
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that each side runs (3)")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of a round (10)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before, dropped (3)")
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides (2)")
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="text for prepare and batches (default: examples/data, 20 times over)",
    )
    parser.add_argument("--kiln", type=Path, metavar="FILE", help="the built bench `compare`")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        metavar="FILE",
        help="a Python that has torch, transformers and datasets (default: this one)",
    )
    options = parser.parse_args()
    options.backends = options.backends.split(",")
    options.cases = options.cases.split(",")
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"--cases: no case {', '.join(sorted(unknown))}")
    return options


# --- running a side --------------------------------------------------------------------------


def check_python(python: Path) -> None:
    packages = ["torch", "transformers", "datasets", "numpy"]
    probe = f"import importlib.util as u; print(*[p for p in {packages} if not u.find_spec(p)])"
    try:
        found = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{python}: not a Python that runs ({error}); choose one with --python")
    if missing := found.stdout.strip():
        raise Failure(
            f"{python}: {missing.replace(' ', ', ')} not installed; run "
            f"{python} -m pip install -r scripts/requirements-compare.txt"
        )


def build(backends: list[str]) -> Path:
    """Builds the bench and finds it in cargo's messages."""
    command = ["cargo", "bench", "--no-run", "--bench", "compare"]
    command += ["--features", ",".join(backends), "--message-format", "json"]
    say(f"building Kiln: {' '.join(command[:-2])}")
    try:
        built = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise Failure(f"cargo can't be run ({error}); install Rust, or pass --kiln")
    if built.returncode != 0:
        raise Failure("Kiln's side did not build; see above")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "compare":
            return Path(message["executable"])
    raise Failure("cargo built no bench `compare`")


def run(contender: Contender, options: argparse.Namespace) -> dict:
    """One process of one side."""
    program = [options.kiln] if contender.is_kiln else [options.python, PYTORCH]
    threads = str(contender.threads)
    environment = os.environ | {
        "RAYON_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # Such settings for other programs' sake must not slow one side down.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="kiln-compare-") as output:
        command = [*program, *contender.arguments, "--threads", threads, "--output", output]
        command = [str(part) for part in command]
        try:
            ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        except OSError as error:
            raise Failure(f"{program[0]}: can't be run ({error})")
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines() or ["no message"]
        raise Failure(f"{contender.name}: {lines[-1]} (in: {' '.join(command)})")
    return json.loads(ran.stdout.splitlines()[-1])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- the cases -------------------------------------------------------------------------------


def compare(options: argparse.Namespace, scratch: Path) -> None:
    rows = []
    for case in cases(options, scratch):
        results = measure(case, options)
        problems = check(case, results)
        if problems:
            raise Failure(f"{case.name}: the sides differ: {'; '.join(problems)}")
        rows += ratios(case, results)
    print_table(rows)


def cases(options: argparse.Namespace, scratch: Path) -> Iterator[Case]:
    if {"train", "electra", "deberta", "xlnet", "inference"} & set(options.cases):
        yield from model_cases(options, scratch)
    if {"prepare", "batches"} & set(options.cases):
        yield from text_cases(options, scratch)


def model_cases(options: argparse.Namespace, scratch: Path) -> Iterator[Case]:
    def first_weights(work: str) -> Path:
        say("writing the weights that both sides start from")
        folder = scratch / f"model-{work}"
        folder.mkdir()
        backend = options.backends[0]
        start = ["--work", work, "--backend", backend, "--steps", "1", "--model", str(folder)]
        run(Contender("kiln", start, True, options.threads), options)
        return folder

    def case(name: str, work: str, others: dict[str, str], model: Path, losses: Losses) -> Case:
        counts = ["--steps", str(options.steps), "--warmup", str(options.warmup)]
        sides = []
        for backend in options.backends:
            arguments = ["--work", work, "--backend", backend, *counts]
            sides.append(Contender(f"kiln {backend}", arguments, True, options.threads))
        for other, theirs in others.items():
            arguments = ["--work", theirs, *counts, "--model", str(model)]
            sides.append(Contender(other, arguments, False, options.threads))
        return Case(name, sides, TOKENS_IN_BATCH, losses)

    if {"train", "inference"} & set(options.cases):
        bert = first_weights("train")
    if "train" in options.cases:
        others = {"transformers": "train-stock", "tuned loop": "train-tuned"}
        yield case("training step", "train", others, bert, TRAIN_LOSSES)
    if "electra" in options.cases:
        others = {"transformers": "electra-stock", "tuned loop": "electra-tuned"}
        electra = first_weights("electra")
        yield case("electra training step", "electra", others, electra, ELECTRA_LOSSES)
    if "deberta" in options.cases:
        others = {"transformers": "deberta-stock", "tuned loop": "deberta-tuned"}
        deberta = first_weights("deberta")
        yield case("deberta training step", "deberta", others, deberta, WORD_LOSSES)
        for work in ("deberta-inference", "deberta-encoder"):
            name = work.replace("-", " ")
            yield case(name, work, {"transformers": work}, deberta, WORD_INFERENCE_LOSSES)
    if "xlnet" in options.cases:
        others = {"transformers": "xlnet-stock", "tuned loop": "xlnet-tuned"}
        xlnet = first_weights("xlnet")
        yield case("xlnet training step", "xlnet", others, xlnet, WORD_LOSSES)
        others = {"transformers": "xlnet-inference", "by hand": "xlnet-inference-tuned"}
        yield case("xlnet inference", "xlnet-inference", others, xlnet, WORD_INFERENCE_LOSSES)
        others = {"transformers": "xlnet-encoder"}
        yield case("xlnet encoder", "xlnet-encoder", others, xlnet, WORD_INFERENCE_LOSSES)
    if "inference" in options.cases:
        others = {"transformers": "inference"}
        yield case("inference", "inference", others, bert, INFERENCE_LOSSES)
        others = {"transformers": "encoder"}
        yield case("encoder", "encoder", others, bert, INFERENCE_LOSSES)


def text_cases(options: argparse.Namespace, scratch: Path) -> Iterator[Case]:
    corpus = options.corpus or [default_corpus(scratch)]
    text = [part for file in corpus for part in ("--corpus", str(file.absolute()))]
    tokenizer = ["--tokenizer", str(scratch / "tokenizer")]
    say("training a tokenizer")
    train = ["--work", "tokenizer", *text, *tokenizer]
    run(Contender("kiln", train, True, options.threads), options)

    def side(name: str, work: list[str], threads: int = 1) -> Contender:
        arguments = ["--work", *work, *text, *tokenizer]
        return Contender(name, arguments, name == "kiln", threads)

    if "prepare" in options.cases:
        prepare = ["prepare", "--steps", "1", "--warmup", "0"]
        for threads in sorted({1, options.threads}):
            sides = [side("kiln", prepare, threads), side("datasets", prepare, threads)]
            if threads > 1:
                split = [*prepare, "--processes", str(threads)]
                sides.append(side(f"datasets, {threads} processes", split))
            yield Case(f"prepare, threads: {threads}", sides, 0)
    if "batches" in options.cases:
        counts = ["--steps", "500", "--warmup", "50"]
        sides = [
            side("kiln", ["batches", *counts]),
            side("collator and data set", ["batches", *counts]),
            side("collator alone", ["collator", *counts]),
        ]
        yield Case("batches", sides, TOKENS_IN_BATCH)


def default_corpus(scratch: Path) -> Path:
    """The sample texts, often enough that starting up does not count: some 4 MB."""
    samples = sorted((REPOSITORY / "examples" / "data").glob("*.txt"))
    if not samples:
        raise Failure("examples/data: no sample texts; name text files with --corpus")
    text = "\n\n".join(sample.read_text() for sample in samples)
    corpus = scratch / "corpus.txt"
    corpus.write_text("\n\n".join([text] * 20))
    return corpus


# --- measuring and judging -------------------------------------------------------------------


def measure(case: Case, options: argparse.Namespace) -> list[list[dict]]:
    """What each contender said in each round; the contenders take turns."""
    results = [[] for _ in case.contenders]
    for number in range(options.rounds):
        for contender, told in zip(case.contenders, results):
            say(f"{case.name}, round {number + 1} of {options.rounds}: {contender.name}")
            told.append(run(contender, options))
    return results


def check(case: Case, results: list[list[dict]]) -> list[str]:
    """What shows that the contenders did not do the same work."""
    problems = []
    first = results[0][0]
    for contender, told in zip(case.contenders, results):
        if "tokens" in told[0] and told[0]["tokens"] != first["tokens"]:
            problems.append(f"{contender.name} has {told[0]['tokens']} tokens, not {first['tokens']}")
        if case.losses is None:
            continue
        losses, expected = told[0]["losses"], first["losses"]
        # Written so that NaN does not pass.
        if not abs(losses[0] - case.losses.start) <= case.losses.start_within:
            problems.append(
                f"{contender.name} starts at the loss {losses[0]:.4f}, not near "
                f"{case.losses.start:.4f}"
            )
        ours, theirs = sum(expected) / len(expected), sum(losses) / len(losses)
        if not abs(ours / theirs - 1.0) <= case.losses.mean_within:
            problems.append(f"{contender.name} has the mean loss {theirs:.6f}, not {ours:.6f}")
    return problems


@dataclass
class Row:
    """One line of the table: Kiln's speed over the other's, by round."""

    case: str
    ours: str
    theirs: str
    ratios: list[float]
    tokens_per_second: tuple[float, float]


def ratios(case: Case, results: list[list[dict]]) -> list[Row]:
    """Every side of Kiln against every other; a round's value is the median of its repetitions."""
    tokens = case.tokens or results[0][0]["tokens"]
    times = [[median(one["seconds"]) for one in told] for told in results]
    sides = list(zip(case.contenders, times))
    rows = []
    for ours, our_times in sides:
        for theirs, their_times in sides:
            if ours.is_kiln and not theirs.is_kiln:
                by_round = [their / our for our, their in zip(our_times, their_times)]
                speeds = (tokens / median(our_times), tokens / median(their_times))
                rows.append(Row(case.name, ours.name, theirs.name, by_round, speeds))
    return rows


def print_table(rows: list[Row]) -> None:
    print("| case | Kiln | against | speed ratio | range | tokens/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        low, high = min(row.ratios), max(row.ratios)
        ours, theirs = row.tokens_per_second
        print(
            f"| {row.case} | {row.ours} | {row.theirs} | {median(row.ratios):.2f} "
            f"| {low:.2f} to {high:.2f} | {ours:,.0f} : {theirs:,.0f} |"
        )
    lost = [row for row in rows if median(row.ratios) < 1.0]
    print(f"\nKiln is slower in {len(lost)} of {len(rows)}:" if lost else "\nKiln is slower in none.")
    for row in lost:
        print(f"- {row.case}, {row.ours} against {row.theirs}: {median(row.ratios):.2f}")


if __name__ == "__main__":
    main()
