#!/usr/bin/env python3
"""The last evaluation of several runs, by group: mean and standard deviation over their seeds.

Usage: scripts/experiments/last_evaluations.py --measure mlm_loss [--measure ...] NAME=RUN...

Runs of one name form a group. Differences are against the first group, run by run in the order
given, so that runs on the same seed (the same data, the same masks) stand against each other.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, stdev


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--measure", action="append", required=True, metavar="NAME")
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    options = parser.parse_args()
    groups: dict[str, list[dict]] = {}
    for text in options.runs:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            parser.error(f"{text}: write NAME=RUN")
        groups.setdefault(name, []).append(last_evaluation(Path(folder), options.measure))
    first = next(iter(groups.values()))
    for measure in options.measure:
        print(f"| {measure} | seeds | mean | standard deviation | difference from the first |")
        print("| --- | --- | --- | --- | --- |")
        for name, records in groups.items():
            values = [record[measure] for record in records]
            difference = ""
            if records is not first and len(records) == len(first):
                gaps = [value - other[measure] for value, other in zip(values, first, strict=True)]
                difference = f"{mean(gaps):+.4f}{spread(gaps, ' (sd {:.4f})')}"
            print(
                f"| {name} | {len(values)} | {mean(values):.4f} | {spread(values, '{:.4f}')} "
                f"| {difference} |"
            )
        print()


def spread(values: list[float], form: str) -> str:
    return form.format(stdev(values)) if len(values) > 1 else ""


def last_evaluation(run: Path, measures: list[str]) -> dict:
    path = run / "metrics.jsonl"
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        sys.exit(f"error: {path}: can't be read ({error}); is {run} the folder of a run?")
    evaluations = [record for record in records if record.get("kind") == "eval"]
    if not evaluations:
        sys.exit(f"error: {path}: no evaluation; the run has not ended, or had --held-out 0")
    for measure in measures:
        if measure not in evaluations[-1]:
            known = ", ".join(key for key in evaluations[-1] if key not in ("kind", "step"))
            sys.exit(f"error: {path}: no {measure}; there are {known}")
    return evaluations[-1]


if __name__ == "__main__":
    main()
