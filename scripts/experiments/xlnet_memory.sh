#!/usr/bin/env bash
# What XLNet's memory is worth: the same tiny model with it and without, after the same tokens.
#
#   scripts/experiments/xlnet_memory.sh OUTPUT CORPUS...
#
# Trains one tokenizer on the corpus and then, for each seed, these models on permutation language
# modelling, all with the same width, batches, optimizer and steps, and prints the perplexity and
# accuracy of each at the predicted positions of the documents held out, as mean and standard
# deviation over the seeds:
#
#   memory       the states of three quarters of a sequence's length are kept, as published
#   no-memory    nothing is kept
#
# A run that is there already is used as it is, so that the command can be given again after a stop.
#
# Environment, with defaults:
#   STEPS=2500 BATCH=32 SEQ_LEN=64 LR=1e-3 SEEDS="1 2 3" MODELS="memory no-memory"
#   VOCAB=8000 JOBS=2 (runs at a time, one thread each)
#   KILN=target/release/kiln KILN_BACKEND=flex PYTHON=python3
set -euo pipefail
cd "$(dirname "$0")/../.."

least=2
. scripts/experiments/experiment.sh
output=$1
shift
corpus=("$@")
read -ra names <<< "${MODELS:-memory no-memory}"
mkdir -p "$output"
train_tokenizer --arch xlnet

# The preset tiny; without dropout: at this size nothing is learned by heart.
length=${SEQ_LEN:-64}
cat > "$output/size.json" << JSON
{
  "model_type": "xlnet",
  "d_model": 128, "n_layer": 2, "n_head": 2, "d_inner": 512, "initializer_range": 0.1,
  "dropout": 0.0, "bi_data": true, "use_mems_train": true,
  "mem_len": $((length * 3 / 4)), "reuse_len": $((length / 2))
}
JSON

steps=${STEPS:-2500}
job() { # NAME SEED
    local memory=()
    case $1 in
        memory) ;;
        no-memory) memory=(--mem-len 0) ;;
        *) echo "error: $1: no such model" >&2 && return 1 ;;
    esac
    pretrain "$1" "$2" "$steps" xlnet --config "$output/size.json" "${memory[@]}" \
        --lr "${LR:-1e-3}" --schedule linear --bias-correction \
        --held-out 0.1 --eval-every 0 --eval-batches 1000
}

train_all "${names[@]}"
runs=()
for name in "${names[@]}"; do
    for seed in $seeds; do
        runs+=("$name=$output/$name-$seed")
    done
done
"${PYTHON:-python3}" scripts/experiments/last_evaluations.py --measure plm_loss --measure plm_perplexity \
    --measure plm_accuracy "${runs[@]}"
