#!/usr/bin/env python3
"""Fine-tuning and prediction beside transformers, in one run: ratios of medians.

Usage: scripts/compare_finetuning.py KILN [--backend NAME] [--rounds N]

A BERT of 4 layers, 256 wide, with random weights and WordPiece tokens of the sample texts, reads sentences
as they come (of 8 to 60 words) in batches of 32. Compared are
- a training step of `kiln finetune classify` and of transformers' Trainer as it stands, each by the median
  of its steps;
- `kiln predict classify` over 10,000 texts, start of the program included, and transformers' pipeline with
  batching, its imports and the opening of the model left out.
Both sides take turns; a ratio above 1 says that Kiln is faster. Needs torch, transformers, accelerate.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted((ROOT / "examples/data").glob("english-*.txt"))
STEPS, PREDICTED, BATCH = 60, 10_000, 32


def sentences(count: int) -> list[str]:
    words = " ".join(path.read_text() for path in TEXTS).split()
    draw = random.Random(7)
    found = []
    for _ in range(count):
        length = min(60, max(8, int(draw.gauss(24, 10))))
        start = draw.randrange(len(words) - length)
        found.append(" ".join(words[start : start + length]))
    return found


def kiln(program: str, *words: str) -> str:
    done = subprocess.run([program, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"kiln {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def make_model(program: str, folder: Path) -> None:
    kiln(program, "tokenizer", "train", "--arch", "bert", "--vocab-size", "4000",
         "--output", str(folder), "--corpus", *map(str, TEXTS))
    from transformers import BertConfig, BertForSequenceClassification
    config = BertConfig(
        vocab_size=4000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=1024, max_position_embeddings=128, num_labels=4,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def step_of_kiln(program: str, model: Path, data: Path, work: Path, backend: str) -> float:
    run = work / f"run-{time.monotonic_ns()}"
    kiln(program, "finetune", "classify", "--model", str(model), "--train", str(data), "--output", str(run),
         "--steps", str(STEPS), "--batch-size", str(BATCH), "--max-len", "64", "--eval-every", "0",
         "--save-every", "0", "--backend", backend)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [r["tokens"] / r["tokens_per_second"] for r in records if r["kind"] == "train"]
    return statistics.median(steps[5:])


def step_of_trainer(model: Path, texts: list[str], labels: list[int], work: Path) -> float:
    from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding,
                              Trainer, TrainerCallback, TrainingArguments)

    class Clock(TrainerCallback):
        def __init__(self):
            self.times, self.begun = [], 0.0

        def on_step_begin(self, *_, **__):
            self.begun = time.perf_counter()

        def on_step_end(self, *_, **__):
            self.times.append(time.perf_counter() - self.begun)

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = [{**tokenizer(text, truncation=True, max_length=64), "labels": label}
            for text, label in zip(texts, labels)]
    clock = Clock()
    settings = TrainingArguments(
        output_dir=str(work / "trainer"), per_device_train_batch_size=BATCH, max_steps=STEPS,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
    )
    Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(model), args=settings,
        train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer), callbacks=[clock],
    ).train()
    return statistics.median(clock.times[5:])


def predict_of_kiln(program: str, model: Path, data: Path, work: Path, backend: str) -> float:
    begun = time.perf_counter()
    kiln(program, "predict", "classify", "--model", str(model), "--data", str(data), "--format", "lines",
         "--output", str(work / "predictions.jsonl"), "--max-len", "64", "--batch-size", str(BATCH),
         "--backend", backend)
    return time.perf_counter() - begun


def predict_of_pipeline(model: Path, texts: list[str]) -> float:
    from transformers import pipeline
    ask = pipeline("text-classification", model=str(model), device=-1, top_k=None)
    begun = time.perf_counter()
    ask(texts, batch_size=BATCH, truncation=True, max_length=64)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kiln")
    parser.add_argument("--backend", default="flex")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = work / "model"
        make_model(args.kiln, model)
        texts = sentences(max(PREDICTED, STEPS * BATCH))
        labels = [len(text) % 4 for text in texts]
        train, lines = work / "train.csv", work / "lines.txt"
        with train.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            rows.writerows((text, f"LABEL_{label}") for text, label in zip(texts, labels))
        lines.write_text("\n".join(texts[:PREDICTED]) + "\n")
        # What is asked has a head: that of a run.
        kiln(args.kiln, "finetune", "classify", "--model", str(model), "--train", str(train), "--output",
             str(work / "tuned"), "--steps", "1", "--max-len", "64", "--backend", args.backend)
        tuned = work / "tuned/checkpoints/step-00000001"
        found: dict[str, list[float]] = {name: [] for name in ("ks", "ts", "kp", "tp")}
        for _ in range(args.rounds):
            found["ks"].append(step_of_kiln(args.kiln, model, train, work, args.backend))
            found["ts"].append(step_of_trainer(model, texts, labels, work))
            found["kp"].append(predict_of_kiln(args.kiln, tuned, lines, work, args.backend))
            found["tp"].append(predict_of_pipeline(tuned, texts[:PREDICTED]))
        for what, ours, theirs in (("training step", "ks", "ts"), ("prediction", "kp", "tp")):
            ratios = [b / a for a, b in zip(found[ours], found[theirs])]
            print(f"{what:14} {args.backend}  {statistics.median(found[theirs]) / statistics.median(found[ours]):.2f}"
                  f"  (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
