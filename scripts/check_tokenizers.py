"""Opens tokenizers that kiln trains with transformers, and compares ids with the reference.

Needs transformers (5.23.0) besides what make_tokenizer_fixtures.py needs, and a built kiln. Run from
the repository's root:

    python scripts/check_tokenizers.py target/debug/kiln

A unigram tokenizer's ids under transformers have to be those that SentencePiece gives for the
spm.model beside it, a byte-level one's those of GPT-2's algorithm with vocab.json and merges.txt,
XLNet's those of transformers' own XLNetTokenizer with the pieces and rules of spiece.model.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece  # noqa: E402
from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from make_tokenizer_fixtures import CORPUS, byte_alphabet, encode_bytes, texts  # noqa: E402
from transformers import AutoTokenizer, XLNetTokenizer  # noqa: E402

def sentence_piece(folder):
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model")).encode


def gpt2(folder):
    alphabet = byte_alphabet()
    vocab = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().split("\n")[1:]
    merges = {tuple(line.split(" ")): index for index, line in enumerate(lines) if line}
    return lambda text: encode_bytes(text, alphabet, merges, vocab)


def check_xlnet(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "xlnet"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = sentencepiece_model_pb2.ModelProto.FromString((folder / "spiece.model").read_bytes())
    own = XLNetTokenizer(
        [(piece.piece, piece.score) for piece in model.pieces],
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
    )
    special = [
        tokenizer.unk_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.pad_token_id,
        tokenizer.mask_token_id,
    ]
    assert special == [0, 3, 4, 5, 6], special
    assert tokenizer.convert_tokens_to_ids(["<eod>", "<eop>", ".", "€"]) == [7, 8, 9, 16]
    sentence_piece = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    for text in texts():
        assert tokenizer.encode(text) == own.encode(text), ascii(text)
        if text.isascii() and "''" not in text:
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert ids == sentence_piece.encode(text), ascii(text)
    hi = tokenizer.encode("Hi", add_special_tokens=False)
    pair = tokenizer("Hi", "Hi")
    assert pair["input_ids"] == [*hi, 4, *hi, 4, 3], pair
    assert pair["token_type_ids"] == [0] * (len(hi) + 1) + [1] * (len(hi) + 1) + [2], pair
    padded = tokenizer(["Hi", "Hi Hi"], padding=True)
    assert padded["input_ids"][0] == [5] * len(hi) + [*hi, 4, 3], padded
    assert padded["attention_mask"][0][: len(hi) + 1] == [0] * len(hi) + [1], padded
    assert tokenizer.encode("the <mask> was").count(6) == 1
    print(f"xlnet: {len(tokenizer)} entries, equal ids for {len(texts())} texts")


def check(folder, encode, model_type):
    # With a model's config beside it, as in a checkpoint.
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = [
        tokenizer.pad_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.unk_token_id,
        tokenizer.mask_token_id,
    ]
    assert special == [0, 1, 2, 3, len(tokenizer) - 1], special
    for text in texts():
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert ids == encode(text), ascii(text)
    hi = encode("Hi")
    pair = tokenizer("Hi", "Hi")
    assert pair["input_ids"] == [1, *hi, 2, *hi, 2], pair
    assert pair["token_type_ids"] == [0] * (len(hi) + 2) + [1] * (len(hi) + 1), pair
    masked = tokenizer.encode("the [MASK] was")
    assert masked.count(special[4]) == 1, masked
    print(f"{model_type}: {len(tokenizer)} entries, equal ids for {len(texts())} texts")


def main():
    kiln = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "text.txt").write_text(CORPUS * 2)
        for kind, vocab_size, reference, model_type in [
            ("unigram", 600, sentence_piece, "deberta-v2"),
            ("byte-bpe", 500, gpt2, "deberta"),
        ]:
            output = folder / kind
            command = f"tokenizer train --arch bert --kind {kind} --vocab-size {vocab_size}"
            flags = ["--corpus", "text.txt", "--output", str(output)]
            subprocess.run([kiln, *command.split(), *flags], cwd=folder, check=True)
            check(output, reference(output), model_type)
        output = folder / "xlnet"
        command = "tokenizer train --arch bert --kind unigram-xlnet --vocab-size 400"
        flags = ["--corpus", "text.txt", "--output", str(output)]
        subprocess.run([kiln, *command.split(), *flags], cwd=folder, check=True)
        check_xlnet(output)


if __name__ == "__main__":
    main()
