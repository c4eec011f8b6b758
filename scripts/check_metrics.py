"""Writes the scores that crates/metrics is held against, by the packages that others score with.

Random cases from one seed: classes, several labels and numbers by scikit-learn and SciPy, tags by
seqeval, answers by transformers' copy of the official scorer of SQuAD 2.0; for 1.1, whose scorer is in
no package, its two rules that differ are written down here. Needs scripts/requirements-metrics.txt
(another transformers than that of the reference tensors). Run from the repository's root:

    python scripts/check_metrics.py            # writes crates/metrics/tests/fixtures/*.json
    python scripts/check_metrics.py --check    # exit code 1 if a committed file differs
"""

import json
import random
import sys
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.stats
import seqeval.metrics
import sklearn.metrics
from seqeval.scheme import IOB2
from transformers.data.metrics import squad_metrics

FOLDER = Path("crates/metrics/tests/fixtures")
PACKAGES = ["numpy", "scikit-learn", "scipy", "seqeval", "transformers"]
SEED = 11

warnings.simplefilter("ignore")  # undefined scores are part of the cases


def defined(value):
    value = float(value)
    return value if np.isfinite(value) else None


def classes(rng):
    number, length = rng.randint(2, 6), rng.randint(1, 40)
    skill = rng.random()
    target = [rng.randrange(number) for _ in range(length)]
    predicted = [t if rng.random() < skill else rng.randrange(number) for t in target]
    if rng.random() < 0.1:
        predicted = [rng.randrange(number)] * length
    f1 = sklearn.metrics.f1_score
    case = {
        "classes": number,
        "target": target,
        "predicted": predicted,
        "accuracy": sklearn.metrics.accuracy_score(target, predicted),
        "f1_macro": f1(target, predicted, average="macro"),
        "f1_micro": f1(target, predicted, average="micro"),
        "mcc": sklearn.metrics.matthews_corrcoef(target, predicted),
        "f1": list(f1(target, predicted, average=None, labels=range(number))),
        # What scikit-learn only warns of is undefined: nan says where.
        "precision": [
            defined(p)
            for p in sklearn.metrics.precision_score(
                target, predicted, average=None, labels=range(number), zero_division=np.nan
            )
        ],
        "recall": [
            defined(r)
            for r in sklearn.metrics.recall_score(
                target, predicted, average=None, labels=range(number), zero_division=np.nan
            )
        ],
    }
    return case


def labels(rng):
    number, length = rng.randint(2, 5), rng.randint(1, 20)
    skill = rng.random()
    target = np.array([[rng.random() < 0.3 for _ in range(number)] for _ in range(length)])
    noise = np.array([[rng.random() < 0.3 for _ in range(number)] for _ in range(length)])
    keep = np.array([[rng.random() < skill for _ in range(number)] for _ in range(length)])
    predicted = np.where(keep, target, noise)
    f1 = sklearn.metrics.f1_score
    sets = lambda matrix: [np.flatnonzero(row).tolist() for row in matrix]
    return {
        "labels": number,
        "target": sets(target),
        "predicted": sets(predicted),
        "f1_micro": f1(target, predicted, average="micro"),
        "f1_macro": f1(target, predicted, average="macro"),
        "exact_match": sklearn.metrics.accuracy_score(target, predicted),
    }


def numbers(rng):
    length = rng.randint(2, 25)
    ties = rng.random() < 0.5
    draw = lambda: rng.randint(0, 5) / 2 if ties else round(rng.gauss(2, 1), 6)
    target = [draw() for _ in range(length)]
    predicted = [draw() if rng.random() < 0.5 else t for t in target]
    if rng.random() < 0.05:
        predicted = [1.5] * length
    constant = len(set(target)) == 1
    return {
        "target": target,
        "predicted": predicted,
        "pearson": defined(scipy.stats.pearsonr(target, predicted).statistic),
        "spearman": defined(scipy.stats.spearmanr(target, predicted).statistic),
        "mse": sklearn.metrics.mean_squared_error(target, predicted),
        "mae": sklearn.metrics.mean_absolute_error(target, predicted),
        # scikit-learn puts 0 or 1 where the targets are constant.
        "r2": None if constant else sklearn.metrics.r2_score(target, predicted),
    }


TAGS = ["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-creative-work", "I-creative-work"]


def tags(rng):
    skill = rng.random()
    target = [[rng.choice(TAGS) for _ in range(rng.randint(1, 9))] for _ in range(rng.randint(1, 4))]
    predicted = [[t if rng.random() < skill else rng.choice(TAGS) for t in s] for s in target]
    case = {"target": [" ".join(s) for s in target], "predicted": [" ".join(s) for s in predicted]}
    strict = {"mode": "strict", "scheme": IOB2}
    for name, options in (("", {}), ("_strict", strict)):
        for score in ("precision", "recall", "f1"):
            of = getattr(seqeval.metrics, f"{score}_score")
            case[score + name] = float(of(target, predicted, **options))
    case["f1_macro"] = float(seqeval.metrics.f1_score(target, predicted, average="macro"))
    case["accuracy"] = float(seqeval.metrics.accuracy_score(target, predicted))
    return case


WORDS = ["the", "a", "An", "cat", "Cat", "cat's", "U.S.", "art-work", "“the”", "Ünïcode", "ДОМ", "1,000", "--"]


def text(rng, least):
    words = [rng.choice(WORDS) for _ in range(rng.randint(least, 4))]
    return rng.choice([" ", "  ", "\u00a0"]).join(words)


def first_version(prediction, answers):
    """SQuAD 1.1: no answer is dropped, and F1 is 0 where no word is shared."""
    best = [0, 0.0]
    predicted = squad_metrics.normalize_answer(prediction)
    for answer in answers:
        gold = squad_metrics.normalize_answer(answer)
        same = sum((Counter(predicted.split()) & Counter(gold.split())).values())
        f1 = 0.0
        if same:
            precision, recall = same / len(predicted.split()), same / len(gold.split())
            f1 = 2 * precision * recall / (precision + recall)
        best = [max(best[0], int(predicted == gold)), max(best[1], f1)]
    return best


def answers(rng):
    questions = []
    for number in range(rng.randint(1, 10)):
        golds = [text(rng, 1) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        best = rng.choice(golds) if golds and rng.random() < 0.4 else text(rng, 0)
        questions.append({"id": str(number), "answers": golds, "best": best, "odds": rng.randint(-6, 6) / 2})
    threshold = rng.choice([-1.0, 0.0, 0.5])
    examples = [
        SimpleNamespace(qas_id=q["id"], answers=[{"text": answer} for answer in q["answers"]])
        for q in questions
    ]
    predictions = {q["id"]: q["best"] for q in questions}
    odds = {q["id"]: q["odds"] for q in questions}
    result = squad_metrics.squad_evaluate(examples, predictions, odds, threshold)
    case = {"questions": questions, "threshold": threshold, "result": dict(result)}
    answered = [q for q in questions if q["answers"]]
    if answered:
        old = np.array([first_version(q["best"], q["answers"]) for q in answered])
        exact, f1 = 100.0 * old.mean(axis=0)
        case["first_version"] = {"exact_match": float(exact), "f1": float(f1)}
    return case


def main():
    kinds = [(classes, 50), (labels, 40), (numbers, 50), (tags, 60), (answers, 50)]
    differs = False
    for make, count in kinds:
        rng = random.Random(f"{SEED} {make.__name__}")
        cases = [make(rng) for _ in range(count)]
        made_with = {package: version(package) for package in PACKAGES}
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        content = f'{{"made_with": {json.dumps(made_with)},\n"cases": [\n{lines}\n]}}\n'
        path = FOLDER / f"{make.__name__}.json"
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text("utf-8") != content:
                print(f"{path}: differs from what the packages give; run without --check")
                differs = True
            continue
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        print(f"{path}: {count} cases, {len(content.encode())} bytes")
    sys.exit(int(differs))


if __name__ == "__main__":
    main()
