#!/usr/bin/env python3
"""Frozen-encoder features probed by logistic regression: what a pretrained encoder knows by itself.

Every model reads the sentences of two files once, through `kiln forward --task embed`, so that no
other implementation stands between. Its weights stay as they are. A sentence's features come from
the last layer, or with --layer from a lower one: the mean over its real tokens, special ones
included, or the vector at position 0. `words` takes the mean of the words' vectors in the table, below
all layers: what a model knows of words without reading them together. A
logistic regression learns the labels of the training file from them (each feature with mean 0 and
variance 1 there, the penalty chosen by 5-fold cross validation on the training file alone), and its
accuracy on the other file is the result.

Models of one name form a group, such as the seeds of one recipe: the second table has each group's
mean and standard deviation.

Usage, from the repository's root:

    pip install -r scripts/experiments/requirements-probe.txt
    scripts/experiments/probe.py --train train.tsv --dev dev.tsv \\
        --model electra=runs/e1/checkpoints/step-00002000/discriminator \\
        --model electra=runs/e2/checkpoints/step-00002000/discriminator \\
        --model bert=runs/b1/checkpoints/step-00002000

A line of train.tsv and dev.tsv is a sentence, a tab and its label; there is no header.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev

try:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save_file
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from tokenizers import Encoding, Tokenizer
except ImportError as problem:
    sys.exit(
        f"error: {problem.name} not installed; run "
        f"{sys.executable} -m pip install -r scripts/experiments/requirements-probe.txt"
    )

REPOSITORY = Path(__file__).resolve().parents[2]
# Inverse strengths of the penalty, the strongest first: of equally good ones, that is taken.
PENALTIES = [0.001, 0.01, 0.1, 1.0]
FOLDS = 5
MAX_ITERATIONS = 2_000
SEED = 0


class Failure(Exception):
    """What the user is told, in one line."""


@dataclass
class Sentences:
    """What a file holds, line by line."""

    texts: list[str]
    labels: list[str]


@dataclass
class Model:
    """A model to probe; those of one name form a group."""

    name: str
    folder: Path


@dataclass
class Result:
    """What the probe found of one model; `penalty` is scikit-learn's C."""

    name: str
    folder: str
    features: int
    penalty: float
    cross_validation_accuracy: float
    train_accuracy: float
    dev_accuracy: float


@dataclass
class Group:
    """The models of one name; no standard deviation of a single one."""

    name: str
    seeds: int
    mean: float
    standard_deviation: float | None


def main() -> None:
    options = parse_options()
    try:
        check_kiln(options.kiln)
        for model in options.model:
            check_model(model, options)
        train = read_sentences(options.train, options.limit)
        dev = read_sentences(options.dev, options.limit)
        check_labels(train, dev, options)
        results = [probe_at_layer(model, train, dev, options) for model in options.model]
    except Failure as failure:
        sys.exit(f"error: {failure}")
    show(results, train, dev, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="Needs the packages in scripts/experiments/requirements-probe.txt.",
    )
    parser.add_argument(
        "--train",
        type=Path,
        required=True,
        metavar="FILE",
        help="sentences to learn from, SENTENCE<TAB>LABEL a line, no header",
    )
    parser.add_argument(
        "--dev", type=Path, required=True, metavar="FILE", help="sentences to score, likewise"
    )
    parser.add_argument(
        "--model",
        type=parse_model,
        action="append",
        required=True,
        metavar="NAME=DIR",
        help="a Hugging Face folder and its group's name; any number of times",
    )
    parser.add_argument(
        "--features",
        choices=["mean", "first", "both", "words"],
        default="mean",
        help="of the layer: the mean over real tokens, position 0, or the two side by side in one "
        "vector; words: the mean of the word table's rows, below all layers (default: mean)",
    )
    parser.add_argument(
        "--layer",
        type=positive,
        metavar="N",
        help="probe what comes out of layer N, 1 being the lowest (default: the last)",
    )
    parser.add_argument(
        "--kiln",
        type=Path,
        default=REPOSITORY / "target" / "release" / "kiln",
        metavar="FILE",
        help="the built program (default: target/release/kiln)",
    )
    parser.add_argument("--backend", metavar="NAME", help="as in kiln --backend (default: Kiln's)")
    parser.add_argument(
        "--batch",
        type=positive,
        default=512,
        metavar="N",
        help="sentences in one call of kiln forward; more is faster and needs more memory (512)",
    )
    parser.add_argument(
        "--max-length",
        type=positive,
        default=64,
        metavar="N",
        help="tokens of a sentence, special ones included; the rest is cut off (64)",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="take N lines of each file, always the same, chosen at random (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, no tables")
    options = parser.parse_args()
    if options.max_length < 3:
        parser.error("--max-length: two tokens are special; pass 3 or more")
    folders = Counter(model.folder.resolve() for model in options.model)
    for model in options.model:
        if folders[model.folder.resolve()] > 1:
            parser.error(f"--model: {model.folder} stands there twice")
    return options


def parse_model(text: str) -> Model:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{text}: write NAME=DIR")
    return Model(name, Path(folder))


def positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: write a whole number above 0")
    return number


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- what is looked at before anything slow --------------------------------------------------


def check_kiln(kiln: Path) -> None:
    if not kiln.is_file():
        raise Failure(f"{kiln}: no such program; run cargo build --release, or name it with --kiln")
    if not os.access(kiln, os.X_OK):
        raise Failure(f"{kiln}: not a program that can be run; name the built kiln with --kiln")


def check_model(model: Model, options: argparse.Namespace) -> None:
    if not model.folder.is_dir():
        raise Failure(f"{model.folder}: no such folder; pass a Hugging Face folder, NAME=DIR")
    for name in ("config.json", "tokenizer.json"):
        if not (model.folder / name).is_file():
            inner = model.folder / "discriminator"
            remedy = f"pass {inner}" if inner.is_dir() else "pass a folder that Kiln has written"
            raise Failure(f"{model.folder}: no {name}; {remedy}")
    open_tokenizer(model, options.max_length)
    positions = read_config(model).get("max_position_embeddings")
    if positions is not None and options.max_length > positions:
        raise Failure(
            f"{model.folder}: takes {positions} tokens, --max-length is {options.max_length}; "
            f"pass --max-length {positions}"
        )


def read_config(model: Model) -> dict:
    path = model.folder / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: can't be read ({error})")


def open_tokenizer(model: Model, max_length: int) -> Tokenizer:
    path = model.folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
    except Exception as error:  # tokenizers raises nothing more special
        raise Failure(f"{path}: can't be used with --max-length {max_length} ({error})")
    return tokenizer


def read_sentences(path: Path, limit: int | None) -> Sentences:
    try:
        # By line feed alone: the text may hold other characters that count as a line's end.
        lines = path.read_bytes().decode("utf-8").split("\n")
    except OSError as error:
        raise Failure(f"{path}: can't be read ({error.strerror}); check the path")
    except UnicodeDecodeError as error:
        raise Failure(f"{path}: not UTF-8 at byte {error.start}; convert it")
    rows = []
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        if not line:
            continue
        text, tab, label = line.rpartition("\t")
        if not (text.strip() and tab and label.strip()):
            raise Failure(f"{path}:{number}: not a sentence, a tab and a label; write all three")
        rows.append((text, label.strip()))
    if not rows:
        raise Failure(f"{path}: no sentences; write SENTENCE<TAB>LABEL, one a line")
    if limit is not None and limit < len(rows):
        rows = random.Random(SEED).sample(rows, limit)
    return Sentences([text for text, _ in rows], [label for _, label in rows])


def check_labels(train: Sentences, dev: Sentences, options: argparse.Namespace) -> None:
    counts = Counter(train.labels)
    if len(counts) < 2:
        raise Failure(f"{options.train}: one label, {train.labels[0]}; there is nothing to learn")
    label, count = counts.most_common()[-1]
    if count < FOLDS:
        raise Failure(
            f"{options.train}: {count} with the label {label}, {FOLDS}-fold cross validation needs "
            f"{FOLDS}; add sentences, drop the label, or raise --limit"
        )
    if unknown := sorted(set(dev.labels) - set(counts)):
        raise Failure(f"{options.dev}: the label {unknown[0]} is not in {options.train}")


# --- features --------------------------------------------------------------------------------


def probe_at_layer(
    model: Model, train: Sentences, dev: Sentences, options: argparse.Namespace
) -> Result:
    if options.layer is None:
        return probe(model, train, dev, options)
    with tempfile.TemporaryDirectory(prefix="kiln-probe-") as scratch:
        cut = Model(model.name, Path(scratch))
        cut_above(model, options.layer, cut.folder)
        return replace(probe(cut, train, dev, options), folder=str(model.folder))


def cut_above(model: Model, layer: int, folder: Path) -> None:
    """Writes the model without the layers above `layer` and without heads."""
    config = read_config(model)
    layers = config.get("num_hidden_layers")
    if layers is None or layer > layers:
        raise Failure(f"{model.folder}: --layer {layer}: there are {layers} layers")
    config = {key: value for key, value in config.items() if key != "architectures"}
    config["num_hidden_layers"] = layer
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for path in model.folder.glob("*token*"):
        (folder / path.name).write_bytes(path.read_bytes())
    tensors = {}
    for name, tensor in weights_of(model).items():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        if found is None or int(found[1]) < layer:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors")


def weights_of(model: Model) -> dict[str, np.ndarray]:
    try:
        return load_file(model.folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise Failure(f"{model.folder}/model.safetensors: can't be read ({error})")


def probe(model: Model, train: Sentences, dev: Sentences, options: argparse.Namespace) -> Result:
    train_features = features(model, train, options)
    dev_features = features(model, dev, options)
    say(f"{model.folder}: fitting")
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(),
            LogisticRegression(solver="lbfgs", max_iter=MAX_ITERATIONS, random_state=SEED),
        ),
        {"logisticregression__C": PENALTIES},
        scoring="accuracy",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=SEED),
    )
    search.fit(train_features, train.labels)
    return Result(
        name=model.name,
        folder=str(model.folder),
        features=train_features.shape[1],
        penalty=search.best_params_["logisticregression__C"],
        cross_validation_accuracy=float(search.best_score_),
        train_accuracy=float(search.score(train_features, train.labels)),
        dev_accuracy=float(search.score(dev_features, dev.labels)),
    )


def features(model: Model, sentences: Sentences, options: argparse.Namespace) -> np.ndarray:
    """One row a sentence, `[sentences, features]`, in float64: what the regression computes in."""
    tokenizer = open_tokenizer(model, options.max_length)
    pad_id = read_config(model).get("pad_token_id") or 0
    encodings = tokenizer.encode_batch(sentences.texts)
    cut = sum(bool(encoding.overflowing) for encoding in encodings)
    say(f"{model.folder}: {len(encodings):,} sentences, {cut:,} of them cut off")
    if options.features == "words":
        return words(model, encodings)
    # Sentences of like length together: little padding.
    order = sorted(range(len(encodings)), key=lambda index: len(encodings[index]))
    rows = []
    for start in range(0, len(order), options.batch):
        inputs = to_inputs([encodings[i] for i in order[start : start + options.batch]], pad_id)
        hidden = forward(model, inputs, options).astype(np.float64)
        rows.append(pool(hidden, inputs["attention_mask"], options.features))
    sorted_rows = np.concatenate(rows)
    result = np.empty_like(sorted_rows)
    result[order] = sorted_rows
    return result


def words(model: Model, encodings: list[Encoding]) -> np.ndarray:
    """The mean of the word table's rows for each sentence, `[sentences, embedding_size]`."""
    endings = ("word_embeddings.weight", "word_embedding.weight")
    tables = [table for name, table in weights_of(model).items() if name.endswith(endings)]
    if len(tables) != 1:
        raise Failure(f"{model.folder}: {len(tables)} word tables; pass a folder of one model")
    table = tables[0].astype(np.float64)
    return np.stack([table[encoding.ids].mean(axis=0) for encoding in encodings])


def to_inputs(encodings: list[Encoding], pad_id: int) -> dict[str, np.ndarray]:
    """Each `[batch, seq_len]`, padded to the longest."""
    shape = (len(encodings), max(len(encoding) for encoding in encodings))
    inputs = {
        "input_ids": np.full(shape, pad_id, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
        "token_type_ids": np.zeros(shape, dtype=np.int64),
    }
    for row, encoding in enumerate(encodings):
        inputs["input_ids"][row, : len(encoding)] = encoding.ids
        inputs["attention_mask"][row, : len(encoding)] = 1
        inputs["token_type_ids"][row, : len(encoding)] = encoding.type_ids
    return inputs


def forward(
    model: Model, inputs: dict[str, np.ndarray], options: argparse.Namespace
) -> np.ndarray:
    """The last layer, `[batch, seq_len, hidden_size]`, by one call of kiln."""
    with tempfile.TemporaryDirectory(prefix="kiln-probe-") as scratch:
        given, computed = Path(scratch) / "x.safetensors", Path(scratch) / "y.safetensors"
        save_file(inputs, given)
        command = [options.kiln.absolute(), "forward", "--model", model.folder, "--task", "embed"]
        command += ["--inputs", given, "--outputs", computed]
        if options.backend:
            command += ["--backend", options.backend]
        command = [str(part) for part in command]
        try:
            ran = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise Failure(f"{options.kiln}: can't be run ({error.strerror})")
        if ran.returncode != 0:
            lines = ran.stderr.strip().splitlines() or ["no message"]
            message = lines[-1].removeprefix("error: ")
            raise Failure(f"kiln forward --model {model.folder}: {message}")
        try:
            outputs = load_file(computed)
        except (OSError, SafetensorError) as error:
            raise Failure(f"kiln forward --model {model.folder} left no outputs ({error})")
    hidden = outputs.get("last_hidden_state")
    expected = inputs["input_ids"].shape
    if hidden is None or hidden.ndim != 3 or hidden.shape[:2] != expected:
        found = sorted((name, list(value.shape)) for name, value in outputs.items())
        raise Failure(
            f"kiln forward --model {model.folder}: no last_hidden_state of "
            f"[{expected[0]}, {expected[1]}, hidden_size], but {found}"
        )
    if not np.isfinite(hidden).all():
        raise Failure(f"{model.folder}: hidden states that are not finite; did the run diverge?")
    return hidden


def pool(hidden: np.ndarray, attention_mask: np.ndarray, which: str) -> np.ndarray:
    """`[batch, features]` from hidden states `[batch, seq_len, hidden_size]`."""
    weights = attention_mask[:, :, np.newaxis]
    average = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    first = hidden[:, 0]
    parts = {"mean": [average], "first": [first], "both": [average, first]}
    return np.concatenate(parts[which], axis=1)


# --- results ---------------------------------------------------------------------------------


def show(
    results: list[Result], train: Sentences, dev: Sentences, options: argparse.Namespace
) -> None:
    majority, _ = Counter(train.labels).most_common(1)[0]
    majority_accuracy = dev.labels.count(majority) / len(dev.labels)
    groups = group(results)
    if options.json:
        found = {
            "train_sentences": len(train.texts),
            "dev_sentences": len(dev.texts),
            "labels": sorted(set(train.labels)),
            "features": options.features,
            "max_length": options.max_length,
            "majority_label": majority,
            "majority_accuracy": majority_accuracy,
            "models": [asdict(result) for result in results],
            "groups": [asdict(one) for one in groups],
        }
        print(json.dumps(found))
        return
    print(
        f"{len(train.texts):,} sentences to learn from, {len(dev.texts):,} scored, "
        f"{len(set(train.labels))} labels; features: {options.features}. "
        f"Always saying {majority} scores {majority_accuracy:.4f}.\n"
    )
    print("| model | folder | C | cross validation | train | dev accuracy |")
    print("| --- | --- | --- | --- | --- | --- |")
    for result in results:
        print(
            f"| {result.name} | {result.folder} | {result.penalty:g} "
            f"| {result.cross_validation_accuracy:.4f} | {result.train_accuracy:.4f} "
            f"| {result.dev_accuracy:.4f} |"
        )
    print("\n| group | seeds | mean dev accuracy | standard deviation |")
    print("| --- | --- | --- | --- |")
    for one in groups:
        deviation = one.standard_deviation
        spread = "" if deviation is None else f"{deviation:.4f}"
        print(f"| {one.name} | {one.seeds} | {one.mean:.4f} | {spread} |")


def group(results: list[Result]) -> list[Group]:
    """The groups, in the order of their first models."""
    groups = []
    for name in dict.fromkeys(result.name for result in results):
        scores = [result.dev_accuracy for result in results if result.name == name]
        deviation = stdev(scores) if len(scores) > 1 else None
        groups.append(Group(name, len(scores), mean(scores), deviation))
    return groups


if __name__ == "__main__":
    main()
