#!/usr/bin/env python3
"""The scores of several fine-tuning runs, by group: mean and standard deviation over their seeds.

Usage: scripts/experiments/last_scores.py NAME=RUN...

Runs of one name form a group. The score is the one that decides in the task; its interval, over
examples, is that of the run in the middle.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, stdev


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    options = parser.parse_args()
    groups: dict[str, list[tuple[dict, float]]] = {}
    for text in options.runs:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            parser.error(f"{text}: write NAME=RUN")
        groups.setdefault(name, []).append(result_of(Path(folder)))
    print("| model | score | seeds | mean (deviation) | interval | guessing | minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, results in groups.items():
        results.sort(key=lambda result: result[0]["value"])
        values = [score["value"] for score, _ in results]
        deviation = f" ({stdev(values):.3f})" if len(values) > 1 else ""
        middle = results[len(results) // 2][0]
        low, high = middle["interval"]
        minutes = mean(seconds for _, seconds in results) / 60
        print(
            f"| {name} | {middle['name']} | {len(values)} | {mean(values):.3f}{deviation} "
            f"| {low:.3f} to {high:.3f} | {middle['baseline']:.3f} | {minutes:.1f} |"
        )


def result_of(run: Path) -> tuple[dict, float]:
    """The deciding score of a run, and the seconds that its steps and evaluations took."""
    try:
        scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))["scores"]
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"error: {run}: can't be read ({error}); is it a fine-tuning run that has ended?")
    score = next((score for score in scores["scores"] if score["name"] == scores["main"]), None)
    if score is None:
        sys.exit(f"error: {run}/scores.json: has no score called {scores['main']}")
    return score, sum(seconds_of(record) for record in records)


def seconds_of(record: dict) -> float:
    if "seconds" in record:
        return record["seconds"]
    rate = record.get("tokens_per_second") or 0.0
    return record.get("tokens", 0) / rate if rate > 0 else 0.0


if __name__ == "__main__":
    main()
