#!/usr/bin/env bash
# What DeBERTa's parts are worth: the same tiny model with them and without, after the same tokens.
#
#   scripts/experiments/deberta_ablation.sh OUTPUT CORPUS...
#
# Trains one tokenizer on the corpus and then, for each seed, these models on masked language
# modelling, all with the same width, batches, optimizer and steps, and prints the loss and accuracy
# of each on the documents held out, as mean and standard deviation over the seeds:
#
#   deberta         disentangled attention, absolute positions in the enhanced mask decoder alone
#   no-decoder      disentangled attention, BERT's head: no absolute position anywhere
#   input           disentangled attention, BERT's head, absolute positions added to the words
#   no-c2p, no-p2c  deberta without one of the two terms of position
#   bert            BERT's attention and head, absolute positions added to the words
#
# A run that is there already is used as it is, so that the command can be given again after a stop.
#
# Environment, with defaults:
#   STEPS=2500 BATCH=32 SEQ_LEN=64 LR=1e-3 SEEDS="1 2 3"
#   MODELS="deberta no-decoder input no-c2p no-p2c bert"
#   VOCAB=8000 JOBS=2 (runs at a time, one thread each)
#   KILN=target/release/kiln KILN_BACKEND=flex PYTHON=python3
set -euo pipefail
cd "$(dirname "$0")/../.."

least=2
. scripts/experiments/experiment.sh
output=$1
shift
corpus=("$@")
read -ra names <<< "${MODELS:-deberta no-decoder input no-c2p no-p2c bert}"
mkdir -p "$output"
train_tokenizer --arch bert

# The preset tiny with other positions; without dropout: at this size nothing is learned by heart.
write_config() { # NAME FIELDS
    cat > "$output/$1.json" << JSON
{
  "model_type": "deberta-v2",
  "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
  "max_position_embeddings": 128, "type_vocab_size": 0, "initializer_range": 0.1,
  "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "legacy": false,
  $2
}
JSON
}
disentangled='"relative_attention": true, "share_att_key": true, "norm_rel_ebd": "layer_norm",
  "position_buckets": 128, "pos_att_type"'
write_config relative "$disentangled: \"p2c|c2p\", \"position_biased_input\": false"
write_config input "$disentangled: \"p2c|c2p\", \"position_biased_input\": true"
write_config no-c2p "$disentangled: \"p2c\", \"position_biased_input\": false"
write_config no-p2c "$disentangled: \"c2p\", \"position_biased_input\": false"
write_config bert '"relative_attention": false, "position_biased_input": true'

steps=${STEPS:-2500}
job() { # NAME SEED
    local config head
    case $1 in
        deberta) config=relative head=enhanced ;;
        no-decoder) config=relative head=plain ;;
        input) config=input head=plain ;;
        no-c2p | no-p2c) config=$1 head=enhanced ;;
        bert) config=bert head=plain ;;
        *) echo "error: $1: no such model" >&2 && return 1 ;;
    esac
    pretrain "$1" "$2" "$steps" deberta --objective mlm --config "$output/$config.json" \
        --mlm-head "$head" --lr "${LR:-1e-3}" --schedule linear --bias-correction \
        --held-out 0.1 --eval-every 0 --eval-batches 1000
}

train_all "${names[@]}"
runs=()
for name in "${names[@]}"; do
    for seed in $seeds; do
        runs+=("$name=$output/$name-$seed")
    done
done
"${PYTHON:-python3}" scripts/experiments/last_evaluations.py --measure mlm_loss --measure mlm_accuracy "${runs[@]}"
