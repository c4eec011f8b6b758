#!/usr/bin/env bash
# What a tiny ELECTRA has learned against a tiny BERT of the same size after the same number of tokens.
#
#   scripts/electra_against_bert.sh OUTPUT TRAIN.tsv DEV.tsv CORPUS...
#
# Trains one tokenizer on the corpus and then, for each seed, an ELECTRA (the preset tiny), a BERT as
# published (pairs of segments, next sentence prediction) and a BERT on ELECTRA's own sequences that
# predicts masked words alone, all with the same optimizer, schedule, batches and steps; takes an
# encoder that was never trained along; and probes all of them with scripts/probe.py: logistic
# regression on frozen features, TRAIN.tsv to learn from and DEV.tsv to score. A run that is there
# already is used as it is, so that the command can be given again after a stop.
#
# Environment, with defaults:
#   STEPS=2500 BATCH=32 SEQ_LEN=64 LR=1e-3 SEEDS="1 2 3" MODELS="untrained bert bert-mlm electra"
#   VOCAB=8000 JOBS=2 (runs at a time, one thread each) FEATURES=mean (or first, both)
#   KILN=target/release/kiln KILN_BACKEND=flex PYTHON=python3 (with the packages in
#   scripts/requirements-probe.txt)
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 4 ]; then
    sed -n '2,20s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
output=$1 train=$2 dev=$3
shift 3
steps=${STEPS:-2500} seeds=${SEEDS:-1 2 3} jobs=${JOBS:-2}
names=${MODELS:-untrained bert bert-mlm electra}
export KILN_BACKEND=${KILN_BACKEND:-flex} RAYON_NUM_THREADS=1
kiln=${KILN:-${CARGO_TARGET_DIR:-target}/release/kiln}
[ -x "$kiln" ] || { echo "error: $kiln: no such program; run cargo build --release" >&2; exit 1; }
mkdir -p "$output"

# The preset tiny of both, without dropout: at this size and length nothing is learned by heart.
cat > "$output/size.json" << 'JSON'
{
  "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
  "max_position_embeddings": 128, "initializer_range": 0.1,
  "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0
}
JSON
sed 's/"hidden_size"/"embedding_size": 128, "hidden_size"/' "$output/size.json" \
    > "$output/electra-size.json"

if [ ! -d "$output/tokenizer" ]; then
    "$kiln" tokenizer train --arch bert --corpus "$@" --vocab-size "${VOCAB:-8000}" \
        --output "$output/tokenizer"
fi

pretrain() { # NAME SEED STEPS FLAGS...
    local run=$output/$1-$2 seed=$2 length=$3
    shift 3
    if [ -d "$run" ]; then
        if [ ! -d "$run/checkpoints/step-$(printf %08d "$length")" ]; then
            "$kiln" resume "$run" > "$run.out" 2> "$run.err"
        fi
        return
    fi
    "$kiln" pretrain "$@" --tokenizer "$output/tokenizer" --output "$run" \
        --steps "$length" --seed "$seed" --seq-len "${SEQ_LEN:-64}" --batch-size "${BATCH:-32}" \
        --schedule linear --bias-correction --threads 1 --eval-every 0 --log-every 500 \
        > "$run.out" 2> "$run.err"
}

corpus=("$@")
job() { # NAME SEED
    case $1 in
        untrained)
            pretrain untrained "$2" 1 bert --corpus "${corpus[@]}" --config "$output/size.json" \
                --lr 0 --warmup 0 ;;
        bert)
            pretrain bert "$2" "$steps" bert --corpus "${corpus[@]}" \
                --config "$output/size.json" --lr "${LR:-1e-3}" ;;
        bert-mlm)
            pretrain bert-mlm "$2" "$steps" bert --corpus "${corpus[@]}" \
                --config "$output/size.json" --lr "${LR:-1e-3}" \
                --no-next-sentence --examples segments ;;
        electra)
            pretrain electra "$2" "$steps" electra --corpus "${corpus[@]}" \
                --config "$output/electra-size.json" --generator-size 0.5 --lr "${LR:-1e-3}" ;;
    esac
}

failed=0
for seed in $seeds; do
    for name in $names; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
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

models=()
for name in $names; do
    for seed in $seeds; do
        length=$steps
        [ "$name" = untrained ] && length=1
        folder=$output/$name-$seed/checkpoints/step-$(printf %08d "$length")
        [ "$name" = electra ] && folder=$folder/discriminator
        models+=(--model "$name=$folder")
    done
done
"${PYTHON:-python3}" scripts/probe.py --train "$train" --dev "$dev" --kiln "$kiln" \
    --features "${FEATURES:-mean}" "${models[@]}"
