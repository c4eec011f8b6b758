# Sourced by experiments that train several models on several seeds: the runs, some at a time, one
# thread each.
#
# The sourcing script sets `least`, how many arguments it needs: with fewer its own first lines are
# printed. It then sets `output` and `corpus` and defines job NAME SEED, which calls
# pretrain NAME SEED STEPS FLAGS... for one model; then it calls train_all. A run that is there
# already is used as it is or taken up where it stopped.
#
# Environment, with defaults:
#   BATCH=32 SEQ_LEN=64 VOCAB=8000 SEEDS="1 2 3" JOBS=2
#   KILN=target/release/kiln KILN_BACKEND=flex
if [ $# -lt "$least" ]; then
    sed -n '2,/^set /s/^# \{0,1\}//p' "scripts/experiments/${0##*/}" >&2
    exit 2
fi
seeds=${SEEDS:-1 2 3}
export KILN_BACKEND=${KILN_BACKEND:-flex} RAYON_NUM_THREADS=1
kiln=${KILN:-${CARGO_TARGET_DIR:-target}/release/kiln}
if [ ! -x "$kiln" ]; then
    echo "error: $kiln: no such program; run cargo build --release" >&2
    exit 1
fi

train_tokenizer() { # FLAGS...
    if [ ! -d "$output/tokenizer" ]; then
        "$kiln" tokenizer train "$@" --corpus "${corpus[@]}" --vocab-size "${VOCAB:-8000}" \
            --output "$output/tokenizer"
    fi
}

# The folder of a run's last checkpoint.
checkpoint() { # NAME SEED STEPS
    printf '%s/%s-%s/checkpoints/step-%08d' "$output" "$1" "$2" "$3"
}

pretrain() { # NAME SEED STEPS FLAGS...
    local run=$output/$1-$2 seed=$2 steps=$3 last
    last=$(checkpoint "$@")
    shift 3
    if [ -d "$run" ]; then
        [ -d "$last" ] || "$kiln" resume "$run" > "$run.out" 2> "$run.err"
        return
    fi
    "$kiln" pretrain "$@" --corpus "${corpus[@]}" --tokenizer "$output/tokenizer" \
        --output "$run" --steps "$steps" --seed "$seed" --seq-len "${SEQ_LEN:-64}" \
        --batch-size "${BATCH:-32}" --threads 1 --log-every 500 > "$run.out" 2> "$run.err"
}

train_all() { # NAMES...
    local seed name failed=0 pid
    for seed in $seeds; do
        for name in "$@"; do
            while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do
                wait -n || failed=1
            done
            job "$name" "$seed" &
        done
    done
    for pid in $(jobs -p); do
        wait "$pid" || failed=1
    done
    if [ "$failed" -ne 0 ]; then
        echo "error: a run failed; its .err file in $output says why" >&2
        exit 1
    fi
}
