"""What the scripts around kiln's tokenizers share: shards, and DeBERTa's pieces."""

import json

import numpy

# A SentencePiece trainer's settings.
DEBERTA = dict(
    pad_id=0, bos_id=1, eos_id=2, unk_id=3,
    pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
)


def shard_ids(folder):
    """The ids in all shards of a folder, in their order."""
    ids = []
    for header in sorted(folder.rglob("header.json")):
        width = json.loads(header.read_text())["header"]["token_bytes"]
        tokens = (header.parent / "tokens.bin").read_bytes()
        ids += numpy.frombuffer(tokens, "<u2" if width == 2 else "<u4").tolist()
    return ids
