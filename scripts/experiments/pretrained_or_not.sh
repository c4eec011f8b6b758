#!/usr/bin/env bash
# What pretraining is worth to a task: models fine-tuned from their weights and from random ones.
#
#   scripts/experiments/pretrained_or_not.sh OUTPUT NAME=MODEL... -- TASK FLAGS...
#
# Runs kiln finetune TASK FLAGS (--train and --dev among them) for each model on each seed, once as
# it is and once with --random-weights, the rest being equal, and prints a table: the score's mean and
# deviation over the seeds, the interval over examples of the seed in the middle, minutes of a run.
# MODEL is a run, a checkpoint or a Hugging Face folder; several with commas between them are
# one model pretrained on several seeds, and take the seeds of the fine-tuning in turn. Runs that are
# there already are used as they are or taken up where they stopped.
#
# Environment, with defaults:
#   SEEDS="1 2 3" JOBS=2 (runs at a time, one thread each) WEIGHTS="pretrained random"
#   KILN=target/release/kiln KILN_BACKEND=flex PYTHON=python3
set -euo pipefail
cd "$(dirname "$0")/../.."

least=4
. scripts/experiments/experiment.sh
output=$1
shift
names=()
declare -A models
while [ "$1" != -- ]; do
    names+=("${1%%=*}")
    models[${1%%=*}]=${1#*=}
    shift
    [ $# -gt 0 ] || { echo "error: no -- before the task" >&2 && exit 2; }
done
shift
task=("$@")
mkdir -p "$output"

job() { # NAME-WEIGHTS SEED
    local name=${1%-*} run=$output/$1-$2 seed=$2 list flags=()
    IFS=, read -ra list <<< "${models[$name]}"
    [ "${1##*-}" = pretrained ] || flags=(--random-weights)
    if [ -d "$run" ]; then
        [ -f "$run/scores.json" ] || "$kiln" resume "$run" > "$run.out" 2> "$run.err"
        return
    fi
    "$kiln" finetune "${task[@]}" "${flags[@]}" --seed "$seed" --threads 1 --output "$run" \
        --model "${list[$(((seed - 1) % ${#list[@]}))]}" > "$run.out" 2> "$run.err"
}

groups=()
runs=()
for name in "${names[@]}"; do
    for weights in ${WEIGHTS:-pretrained random}; do
        groups+=("$name-$weights")
        for seed in $seeds; do
            runs+=("$name, $weights=$output/$name-$weights-$seed")
        done
    done
done
train_all "${groups[@]}"
"${PYTHON:-python3}" scripts/experiments/last_scores.py "${runs[@]}"
