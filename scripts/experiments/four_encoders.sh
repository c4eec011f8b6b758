#!/usr/bin/env bash
# Four tiny encoders that have read the same text, for pretrained_or_not.sh.
#
#   scripts/experiments/four_encoders.sh OUTPUT CORPUS...
#
# Trains two tokenizers on the corpus and, for each seed, models of 2 layers of width 128, weights drawn
# at 0.1, nothing dropped, with the same number of tokens; SEED stands for the seed:
#
#   OUTPUT/bert-SEED              words and next sentences: sequences of 32, then 15 % more tokens in 128
#   OUTPUT/electra-SEED           replaced tokens, in the same two stages
#   OUTPUT/deberta-SEED           masked words, v3's attention, sequences of 64
#   OUTPUT/pieces/xlnet-SEED      permutations, sequences of 64
#   OUTPUT/pieces/xlnet-mean-SEED the same model, which gathers a text by the mean over its tokens
#
# A run that is there already is used as it is, so that the command can be given again after a stop.
#
# Environment, with defaults:
#   STEPS=8000 (of 2,048 tokens) SEEDS="1" MODELS="bert deberta xlnet electra"
#   VOCAB=8000 JOBS=2 (runs at a time, one thread each)
#   KILN=target/release/kiln KILN_BACKEND=flex
set -euo pipefail
cd "$(dirname "$0")/../.."

least=2 SEEDS=${SEEDS:-1}
. scripts/experiments/experiment.sh
output=$1
shift
corpus=("$@")
read -ra names <<< "${MODELS:-bert deberta xlnet electra}"
mkdir -p "$output/pieces"
train_tokenizer --arch bert
(output=$output/pieces && train_tokenizer --arch xlnet)

cat > "$output/bert.json" << JSON
{
  "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
  "max_position_embeddings": 128, "initializer_range": 0.1,
  "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0
}
JSON
cat > "$output/deberta.json" << JSON
{
  "model_type": "deberta-v2",
  "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512,
  "max_position_embeddings": 512, "initializer_range": 0.1,
  "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
  "position_biased_input": false, "relative_attention": true, "pos_att_type": "p2c|c2p",
  "position_buckets": 128, "share_att_key": true, "norm_rel_ebd": "layer_norm"
}
JSON
cat > "$output/xlnet.json" << JSON
{
  "model_type": "xlnet",
  "d_model": 128, "n_layer": 2, "n_head": 2, "d_inner": 512, "initializer_range": 0.1,
  "dropout": 0.0, "summary_last_dropout": 0.0, "bi_data": true, "use_mems_train": true,
  "mem_len": 48, "reuse_len": 32
}
JSON

steps=${STEPS:-8000}
more=$((steps * 15 / 100))
# A tiny model finds out sooner in short sequences what is next to what; then it learns the other positions.
in_two_stages() { # NAME SEED FLAGS...
    local name=$1 seed=$2
    shift 2
    SEQ_LEN=32 BATCH=64 pretrain "$name-short" "$seed" "$steps" "$name" "$@"
    SEQ_LEN=128 BATCH=16 pretrain "$name" "$seed" "$more" "$name" \
        --init-from "$output/$name-short-$seed" --lr 5e-4
}

job() { # NAME SEED
    case $1 in
        bert) in_two_stages bert "$2" --config "$output/bert.json" --lr 2e-3 ;;
        electra) in_two_stages electra "$2" --preset tiny ;;
        deberta)
            pretrain deberta "$2" "$steps" deberta --objective mlm --config "$output/deberta.json" --lr 2e-3
            ;;
        xlnet)
            local config=$output/xlnet.json output=$output/pieces mean
            pretrain xlnet "$2" "$steps" xlnet --config "$config" --lr 2e-3
            mean=$output/xlnet-mean-$2
            [ -d "$mean" ] || cp -r "$(checkpoint xlnet "$2" "$steps")" "$mean"
            sed -i 's/"summary_type": "last"/"summary_type": "mean"/' "$mean/config.json"
            ;;
        *) echo "error: $1: no such model" >&2 && return 1 ;;
    esac
}

train_all "${names[@]}"
