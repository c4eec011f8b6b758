#!/usr/bin/env bash
# Trains every objective for twenty steps with two versions of Kiln and compares what they leave, bit
# for bit: each line of metrics.jsonl but for speed and memory, the weights, the optimizers' and the
# carried states. Proves that a change of structure changed no number.
#
#   scripts/same_losses.sh OLD NEW
#
# Each version is a commit, which is built, or a program built before. Every run is made whole by both;
# the old one's checkpoint of step 10 is then resumed by itself and by the new one, which has to read it.
#
# Environment: CARGO_TARGET_DIR as always; BACKENDS (default "flex ndarray"); OBJECTIVES (default all; a
# pattern, e.g. 'deberta*'); FEATURES to build with (default flex,ndarray); KEEP=1 keeps the runs.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 2 ] || { sed -n '2,/^set/{/^set/!s/^# \?//p}' "$0" >&2; exit 2; }
backends=${BACKENDS:-flex ndarray}
work=$(mktemp -d)
finish() {
    git worktree remove --force "$work/tree" 2> /dev/null || true
    if [ -n "${KEEP:-}" ]; then echo "runs kept in $work"; else rm -rf "$work"; fi
}
trap finish EXIT

# --- the two programs ------------------------------------------------------------------------

# Both from one folder: what does not differ is then not built twice.
build() { # NAME VERSION
    if [ -x "$2" ] && [ ! -d "$2" ]; then
        cp "$2" "$work/$1"
        return
    fi
    local commit
    commit=$(git rev-parse --verify "$2^{commit}")
    if [ -e "$work/tree" ]; then
        git -C "$work/tree" checkout --quiet --detach "$commit"
    else
        git worktree add --quiet --detach "$work/tree" "$commit"
    fi
    echo "building $1: $(git log -1 --format='%h %s' "$commit")"
    (
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
        cd "$work/tree"
        cargo build --quiet --features "${FEATURES:-flex,ndarray}" --bin kiln
        cp "$CARGO_TARGET_DIR/debug/kiln" "$work/$1"
    )
}
build old "$1"
build new "$2"

# --- the runs --------------------------------------------------------------------------------

# NAME ARCHITECTURE FLAGS…: one line a way to train. Between them they use every kind of example, both
# ways of stepping, all ways of sharing, each head, the memory, gradients summed over micro-batches and
# over devices. @ stands for the backend.
runs() {
    cat << 'RUNS'
bert bert
bert-whole-words bert --no-next-sentence --examples packed --whole-word --max-ngram 3 --accumulate 2
bert-devices bert --backend @ --backend @ --schedule original --no-bias-correction
electra electra
electra-apart electra --share none --generator-size 0.5 --disallow-correct
electra-all electra --share all --temperature 0.9 --examples packed
electra-uniform electra --uniform-generator --whole-word
deberta deberta
deberta-together deberta --steps-of-both together --share embeddings
deberta-mlm deberta --objective mlm
deberta-plain deberta --objective mlm --mlm-head plain
deberta-legacy deberta --objective mlm --mlm-head legacy
roberta roberta
xlnet xlnet
xlnet-lanes xlnet --mem-len 16 --backend @ --backend @ --accumulate 2
xlnet-alone xlnet --mem-len 0 --bi-data false
RUNS
}

cp examples/data/english-[12].txt "$work/"
texts=("$work"/english-*.txt)

# The run of VERSION in $work/runs/BACKEND/NAME/VERSION.
train() { # VERSION BACKEND NAME ARCHITECTURE FLAGS…
    local program=$work/$1 backend=$2 run=$work/runs/$2/$3/$1
    local flags=("${@:5}")
    flags=("${flags[@]/#@/$backend}")
    # A backend has to be named where the flags name none.
    [[ " ${flags[*]} " == *" --backend "* ]] || flags+=(--backend "$backend")
    mkdir -p "$(dirname "$run")"
    KILN_LOG=warn "$program" pretrain "$4" --corpus "${texts[@]}" --cache-dir "$work/cache-$1" \
        --preset tiny --vocab-size 600 --seq-len 32 --batch-size 4 --steps 20 --warmup 5 --lr 1e-3 \
        --seed 7 --save-every 10 --eval-every 10 --eval-batches 2 --log-every 1 --keep-last 9 --json \
        --output "$run" "${flags[@]}" > "$run.out" 2> "$run.err" ||
        { tail -5 "$run.err" >&2; echo "error: $1 does not train $3 on $backend" >&2; return 1; }
}

resume() { # VERSION RUN
    KILN_LOG=warn "$work/$1" resume "$2" --from-step 10 > "$2.out" 2> "$2.err" ||
        { tail -5 "$2.err" >&2; echo "error: $1 does not resume ${2#"$work"/}" >&2; return 1; }
}

# What stays to compare of a run: numbers by step, and a hash of each file of the last checkpoint that
# holds tensors.
numbers() { # RUN
    python3 - "$1" << 'PYTHON'
import hashlib, json, pathlib, sys

run = pathlib.Path(sys.argv[1])
for line in (run / "metrics.jsonl").read_text().splitlines():
    record = json.loads(line)
    for varies in ("tokens_per_second", "seconds", "memory"):
        record.pop(varies, None)
    print(json.dumps(record))
last = sorted((run / "checkpoints").iterdir())[-1]
for file in sorted(last.rglob("*.safetensors")):
    print(hashlib.sha256(file.read_bytes()).hexdigest(), last.name, file.relative_to(last))
PYTHON
}

compare() { # NAME RUN OTHER
    numbers "$2" > "$2.numbers"
    numbers "$3" > "$3.numbers"
    [ "$(grep -c '"kind": "train"' "$2.numbers")" -eq 20 ] && grep -q safetensors "$2.numbers" ||
        { echo "error: ${2#"$work"/} is no run of twenty steps" >&2; return 1; }
    if cmp --silent "$2.numbers" "$3.numbers"; then
        echo "same   $1"
    else
        echo "DIFFER $1"
        diff "$2.numbers" "$3.numbers" | head -4 | cut -c1-400
        return 1
    fi
}

differ=0 made=0
for backend in $backends; do
    while read -r name architecture flags; do
        # shellcheck disable=SC2053 # a pattern on purpose
        [[ $name == ${OBJECTIVES:-*} ]] || continue
        made=$((made + 1))
        runs=$work/runs/$backend/$name
        # shellcheck disable=SC2086 # flags are words
        { train old "$backend" "$name" "$architecture" $flags < /dev/null &&
            train new "$backend" "$name" "$architecture" $flags < /dev/null; } ||
            { differ=$((differ + 1)); continue; }
        cp -a "$runs/old" "$runs/old-resumed"
        cp -a "$runs/old" "$runs/new-resumed"
        compare "$backend $name" "$runs/old" "$runs/new" || differ=$((differ + 1))
        for version in old new; do
            { resume $version "$runs/$version-resumed" < /dev/null &&
                compare "$backend $name, resumed by the $version one" \
                    "$runs/old" "$runs/$version-resumed"; } || differ=$((differ + 1))
        done
        [ -n "${KEEP:-}" ] || rm -rf "$runs"
    done < <(runs)
done
[ "$made" -gt 0 ] || { echo "error: no objective of the name '${OBJECTIVES:-}'" >&2; exit 2; }
if [ "$differ" -gt 0 ]; then
    echo "$differ of $((made * 3)) comparisons differ"
    exit 1
fi
echo "all $((made * 3)) comparisons are the same to the last bit"
