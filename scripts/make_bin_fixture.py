"""Writes the pytorch_model.bin fixtures of crates/checkpoint and crates/cli, as torch saves them.

Needs torch and transformers (2.9.1 and 5.23.0 made the committed files). Run from the repository's
root:

    python scripts/make_bin_fixture.py

crates/cli has a whole BERT, drawn from one seed. In crates/checkpoint element i of tensor k, in row-major order, is ((5 k + i) mod 64) / 8 - 4: exact in every type used.
"""

from pathlib import Path

import torch
from transformers import BertConfig, BertForPreTraining

FOLDER = Path("crates/checkpoint/tests/fixtures")
BERT = Path("crates/cli/tests/fixtures/bert")


def tensor(k, shape, dtype=torch.float32):
    elements = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (((5 * k + elements) % 64) / 8 - 4).reshape(shape).to(dtype)


def main():
    words = tensor(0, (11, 4))
    tensors = {
        "bert.embeddings.word_embeddings.weight": words,
        # Two names of one storage, as in a model with tied weights.
        "cls.predictions.decoder.weight": words,
        "bert.embeddings.LayerNorm.gamma": tensor(1, (4,)),
        "bert.embeddings.LayerNorm.beta": tensor(2, (4,), torch.float64),
        # A view that is not contiguous: the storage holds the transpose.
        "bert.pooler.dense.weight": tensor(3, (4, 6)).t().contiguous().t(),
        # A view into the middle of a larger storage.
        "bert.pooler.dense.bias": torch.cat([torch.zeros(3), tensor(4, (4,)), torch.zeros(2)])[3:7],
        "half": tensor(5, (2, 3), torch.float16),
        "brain": tensor(6, (3, 2), torch.bfloat16),
        "bert.embeddings.position_ids": torch.arange(8)[None],
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, FOLDER / "zip.bin")
    torch.save(tensors, FOLDER / "legacy.bin", _use_new_zipfile_serialization=False)
    # As training scripts save: the model under a key and behind a wrapper, its optimizer beside it.
    moments = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": tensor(7, (4,))}}}
    model = {f"module.{name}": tensors[name] for name in ("half", "bert.pooler.dense.bias")}
    nested = {"epoch": 3, "model": model, "optimizer": moments, "args": {"lr": 0.1}}
    torch.save(nested, FOLDER / "nested.bin")

    torch.manual_seed(5)
    # A wide range: weights that are lost on the way change the loss by more than rounding.
    config = BertConfig(
        vocab_size=64,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
        initializer_range=0.5,
    )
    BERT.mkdir(parents=True, exist_ok=True)
    torch.save(BertForPreTraining(config).state_dict(), BERT / "pytorch_model.bin")
    config.architectures = ["BertForPreTraining"]
    config.to_json_file(BERT / "config.json", use_diff=False)


if __name__ == "__main__":
    main()
