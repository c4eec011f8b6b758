#!/usr/bin/env bash
# What a tiny ELECTRA has learned against a tiny BERT of the same size after the same number of tokens.
#
#   scripts/experiments/electra_against_bert.sh OUTPUT TRAIN.tsv DEV.tsv CORPUS...
#
# Trains one tokenizer on the corpus and then, for each seed, an ELECTRA (the preset tiny), a BERT as
# published (pairs of segments, next sentence prediction) and a BERT on ELECTRA's own sequences that
# predicts masked words alone, all with the same optimizer, schedule, batches and steps; takes an
# encoder that was never trained along; and probes all of them with scripts/experiments/probe.py: logistic
# regression on frozen features, TRAIN.tsv to learn from and DEV.tsv to score. A run that is there
# already is used as it is, so that the command can be given again after a stop.
#
# Environment, with defaults:
#   STEPS=2500 BATCH=32 SEQ_LEN=64 LR=1e-3 SEEDS="1 2 3" MODELS="untrained bert bert-mlm electra"
#   VOCAB=8000 JOBS=2 (runs at a time, one thread each) FEATURES=mean (or first, both, words) LAYER= (of 2; default: the last)
#   KILN=target/release/kiln KILN_BACKEND=flex PYTHON=python3 (with the packages in
#   scripts/experiments/requirements-probe.txt)
set -euo pipefail
cd "$(dirname "$0")/../.."

least=4
. scripts/experiments/experiment.sh
output=$1 train=$2 dev=$3
shift 3
corpus=("$@")
steps=${STEPS:-2500} names=${MODELS:-untrained bert bert-mlm electra}
mkdir -p "$output"
train_tokenizer --arch bert

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

common=(--schedule linear --bias-correction --eval-every 0)
job() { # NAME SEED
    local rate=${LR:-1e-3}
    case $1 in
        untrained)
            pretrain "$1" "$2" 1 bert --config "$output/size.json" --lr 0 --warmup 0 \
                "${common[@]}" ;;
        bert)
            pretrain "$1" "$2" "$steps" bert --config "$output/size.json" --lr "$rate" \
                "${common[@]}" ;;
        bert-mlm)
            pretrain "$1" "$2" "$steps" bert --config "$output/size.json" --lr "$rate" \
                --no-next-sentence --examples segments "${common[@]}" ;;
        electra)
            pretrain "$1" "$2" "$steps" electra --config "$output/electra-size.json" \
                --generator-size 0.5 --lr "$rate" "${common[@]}" ;;
        *) echo "error: $1: no such model" >&2 && return 1 ;;
    esac
}

read -ra list <<< "$names"
train_all "${list[@]}"

models=()
for name in $names; do
    for seed in $seeds; do
        length=$steps
        [ "$name" = untrained ] && length=1
        folder=$(checkpoint "$name" "$seed" "$length")
        [ "$name" = electra ] && folder=$folder/discriminator
        models+=(--model "$name=$folder")
    done
done
"${PYTHON:-python3}" scripts/experiments/probe.py --train "$train" --dev "$dev" --kiln "$kiln" \
    --features "${FEATURES:-mean}" ${LAYER:+--layer "$LAYER"} "${models[@]}"
