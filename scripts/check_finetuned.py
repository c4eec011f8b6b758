#!/usr/bin/env python3
"""Holds the checkpoints that `kiln finetune` writes against transformers' classes.

    python scripts/check_finetuned.py KILN [ARCHITECTURE…]

Tiny models of every architecture, pretrained for one step, are fine-tuned for two on the samples of
examples/data/tasks: for one label, several, numbers, tags, answers (XLNet's with a beam too) and choices.
Of each checkpoint:

- config.json names the class that is expected, AutoModelFor… takes it, and no key is missing, left over
  or of another shape; saved again by transformers it has the same names and shapes
- labels, their ids and problem_type are those of the task, and so is the number of logits
- AutoTokenizer opens it, and gives the ids that `kiln prepare` gives with it

Exit code 1 where anything differs. Needs scripts/requirements-reference.txt. Run from the repository's
root.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from check_names import compare  # noqa: E402
from kiln_files import shard_ids  # noqa: E402

DATA = Path("examples/data/tasks")
TEXT = Path("examples/data/english-1.txt")

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 64,
}  # fmt: skip
V2 = {"model_type": "deberta-v2", "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
V1 = {**V2, "model_type": "deberta", "position_biased_input": False, "num_hidden_layers": 2}

# By name: what the classes' names begin with, how it is pretrained, its tokenizer's kind, config.json.
MODELS = {
    "bert": ("Bert", "bert", "word-piece", SIZES),
    "roberta": ("Roberta", "roberta", "byte-bpe-roberta", {**SIZES, "max_position_embeddings": 66}),
    "electra": ("Electra", "electra", "word-piece", {**SIZES, "embedding_size": 16}),
    "deberta": (
        "DebertaV2",
        "deberta",
        "unigram",
        {**SIZES, **V2, "position_biased_input": False, "share_att_key": True},
    ),
    "deberta-v1": ("Deberta", "deberta --objective mlm", "byte-bpe", {**SIZES, **V1}),
    "xlnet": (
        "XLNet",
        "xlnet",
        "unigram-xlnet",
        {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64},
    ),
}

TOPICS = ["garden", "kitchen", "music", "travel", "weather", "workshop"]
TAGS = [f"{mark}-{kind}" for mark in "BI" for kind in ["PERSON", "PLACE", "TIME"]] + ["O"]

# By name: task and flags, file, end of the class's name, problem_type, labels.
TASKS = {
    "classify": (
        "classify", "topics-train.csv", "SequenceClassification",
        "single_label_classification", TOPICS,
    ),
    "multi-label": (
        "classify --multi-label", "several.csv", "SequenceClassification",
        "multi_label_classification", TOPICS,
    ),
    "regress": ("regress", "similarity-train.tsv", "SequenceClassification", "regression", None),
    "tag": ("tag", "tags-train.conll", "TokenClassification", None, TAGS),
    "qa": ("qa", "questions-train.json", "QuestionAnswering", None, None),
    "beam": ("qa --beam", "questions-train.json", "QuestionAnswering", None, None),
    "choose": ("choose", "choices-train.jsonl", "MultipleChoice", None, None),
}  # fmt: skip


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")


def has(model, task):
    """XLNet alone has a beam; DeBERTa v1 has no class that chooses."""
    return (task != "beam" or model == "xlnet") and (task != "choose" or model != "deberta-v1")


def write_several(file):
    """The topics, every other text with two of them."""
    with open(DATA / "topics-train.csv", encoding="utf-8", newline="") as source:
        rows = list(csv.reader(source))[1:]
    with open(file, "w", encoding="utf-8", newline="") as target:
        table = csv.writer(target)
        table.writerow(["text", "label"])
        for number, (text, label) in enumerate(rows):
            other = TOPICS[number % len(TOPICS)]
            table.writerow([text, f"{label},{other}" if number % 2 and other != label else label])


def pretrain(kiln, name, folder):
    _, flags, kind, config = MODELS[name]
    architecture = flags.split()[0]
    (folder / "config.json").write_text(json.dumps(config))
    run(
        kiln, "tokenizer", "train", "--arch", architecture, "--kind", kind, "--corpus", TEXT,
        "--vocab-size", 400, "--output", folder / "tokenizer",
    )  # fmt: skip
    run(
        kiln, "pretrain", *flags.split(), "--config", folder / "config.json", "--corpus", TEXT,
        "--tokenizer", folder / "tokenizer", "--cache-dir", folder / "cache", "--steps", 1,
        "--batch-size", 2, "--seq-len", 16, "--held-out", 0, "--output", folder / "first",
    )  # fmt: skip
    return folder / "first"


def wrong_class(folder, config, expected, task):
    """What is wrong with the class, and with the keys of its file."""
    named = config["architectures"]
    if named != [expected]:
        return [f"architectures = {named}, not {expected}"]
    found, differences, _ = compare(folder, ())
    if found != expected:
        differences.append(f"transformers has no {expected}")
    # No AutoModelFor… takes the class with a beam.
    if task != "beam":
        auto = getattr(transformers, f"AutoModelFor{TASKS[task][2]}")
        opened = type(auto.from_pretrained(folder, dtype=torch.float32)).__name__
        if opened != expected:
            differences.append(f"{auto.__name__} opens {opened}")
    return differences


def wrong_labels(folder, written, task):
    """What is wrong with the labels, in the file and as transformers reads them."""
    _, _, _, problem, labels = TASKS[task]
    config = transformers.AutoConfig.from_pretrained(folder)
    if task == "regress":
        labels = ["LABEL_0"]
    expected = dict(enumerate(labels or ["LABEL_0", "LABEL_1"]))
    pairs = {
        "problem_type": (config.problem_type, problem),
        "written problem_type": (written.get("problem_type"), problem),
        "id2label": (config.id2label, expected),
        "label2id": (config.label2id, {name: id for id, name in expected.items()}),
        "written id2label": (
            written.get("id2label"),
            {str(id): name for id, name in expected.items()} if labels else None,
        ),
        "num_labels": (config.num_labels, len(expected)),
    }
    return [f"{what}: {a}, not {b}" for what, (a, b) in pairs.items() if a != b]


def wrong_logits(folder, config, task):
    """What is wrong with the shapes that the class gives for a text of the tokenizer's."""
    if task not in ["classify", "multi-label", "regress", "tag"]:
        return []
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    given = tokenizer(["Boil the potatoes.", "It rains"], padding=True, return_tensors="pt")
    model = getattr(transformers, config["architectures"][0]).from_pretrained(folder).eval()
    with torch.no_grad():
        found = list(model(**given).logits.shape)
    rows = [2, given["input_ids"].shape[1]] if task == "tag" else [2]
    expected = [*rows, len(config["id2label"])]
    return [] if found == expected else [f"logits: {found}, not {expected}"]


def wrong_ids(kiln, folder, work):
    """What is wrong with the tokenizer: nothing, or the first line with other ids."""
    lines = [line for line in TEXT.read_text("utf-8").split("\n") if line.strip()][:60]
    lines += ["Zürich's café, naïve RÉSUMÉ", "東京。 Ёжик пил чай 👍🏽", "3,000 kilns (1986) -- \"hot\""]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = [id for line in lines for id in tokenizer.encode(line, add_special_tokens=False)]
    (work / "lines.txt").write_text("\n".join(lines) + "\n", "utf-8")
    run(
        kiln, "prepare", "--tokenizer", folder, "--corpus", work / "lines.txt", "--threads", 1,
        "--lines-are-sentences", "--output", work / "shards",
    )  # fmt: skip
    ours = shard_ids(work / "shards")
    if ours == theirs:
        return []
    at = next((at for at, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), None)
    return [f"ids: {len(ours)} of kiln, {len(theirs)} of transformers, the first other one is {at}"]


def check(kiln, name, task, model, work):
    flags, file, ending, _, _ = TASKS[task]
    source = work.parent / file if task == "multi-label" else DATA / file
    # Some contexts are read in windows.
    run(
        kiln, "finetune", *flags.split(), "--model", model, "--train", source, "--steps", 2,
        "--batch-size", 4, "--max-len", 64, "--output", work / "run",
    )  # fmt: skip
    folder = work / "run" / "checkpoints" / "step-00000002"
    config = json.loads((folder / "config.json").read_text())
    simple = "Simple" if name == "xlnet" and task == "qa" else ""
    differences = wrong_class(folder, config, f"{MODELS[name][0]}For{ending}{simple}", task)
    differences += wrong_labels(folder, config, task)
    differences += wrong_logits(folder, config, task)
    differences += wrong_ids(kiln, folder, work)
    return config["architectures"][0], differences


def main():
    parser = argparse.ArgumentParser(description="Hold fine-tuned checkpoints against transformers.")
    parser.add_argument("kiln", help="the command, e.g. target/debug/kiln")
    parser.add_argument("models", nargs="*", default=list(MODELS), help=", ".join(MODELS))
    arguments = parser.parse_args()
    kiln = os.path.abspath(arguments.kiln)
    print(f"transformers {transformers.__version__}")
    failed = False
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as root:
            write_several(Path(root) / "several.csv")
            model = pretrain(kiln, name, Path(root))
            for task in TASKS:
                if not has(name, task):
                    continue
                work = Path(root) / task
                work.mkdir()
                found, differences = check(kiln, name, task, model, work)
                failed |= bool(differences)
                print(f"{name} {task}: {found}: {'differs' if differences else 'equal'}", flush=True)
                for line in differences:
                    print(f"    {line}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
