"""Makes crates/datasets/tests/fixtures/sequences.json: what transformers makes of texts, pairs and words.

Needs transformers (5.23.0). Run from the repository's root:

    python scripts/make_feature_fixtures.py

Vocabularies are those of crates/text/tests/fixtures, one of BERT's is written here. Each tokenizer has
`files`: a text, or the name of a file there.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from transformers import AutoTokenizer  # noqa: E402

FIXTURES = Path("crates/text/tests/fixtures")
PIECES = "the kiln was hot pot ##ter open ##ed and red - . , ; s ##s it un ##s ##un a b c d e ##e".split()
TEXTS = [
    "",
    "the",
    "The potters opened the kiln, and it was red-hot.",
    "it was hot; the pots was un opened and the pots was red - and it was hot . the end",
]
SENTENCES = [
    ["The", "potters", "opened", "\u0001", "the", "kiln", ",", "red-hot", "."],
    ["", "the", "end"],
    ["it", " was", "hot-red", "\u200b", "Ёжик", "天"],
]
MAX_LENS = [7, 8, 13, 64]


def byte_files(names):
    vocab = json.loads((FIXTURES / "byte_bpe/vocab.json").read_text())
    vocab = {names.get(token, token): id for token, id in vocab.items()}
    return {"vocab.json": {"text": json.dumps(vocab)}, "merges.txt": {"file": "byte_bpe/merges.txt"}}


def tokenizers():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    roberta = {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[UNK]": "<unk>", "[MASK]": "<mask>"}
    yield "bert", {"vocab.txt": {"text": "\n".join(dict.fromkeys(special + PIECES)) + "\n"}}
    yield "electra", {"vocab.txt": {"text": "\n".join(dict.fromkeys(special + PIECES)) + "\n"}}
    yield "roberta", byte_files(roberta)
    yield "deberta", byte_files({})
    yield "deberta-v2", {"spm.model": {"file": "sentence_piece_trained/deberta.model"}}
    yield "xlnet", {"spiece.model": {"file": "sentence_piece_trained/xlnet.model"}}


def row(encoding):
    return [encoding["input_ids"], encoding["token_type_ids"]]


def cases(model_type, files):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        for name, content in files.items():
            data = content["text"].encode() if "text" in content else (FIXTURES / content["file"]).read_bytes()
            (folder / name).write_bytes(data)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        # Words are given apart: byte-level BPE asks for a space before each.
        apart = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
        # Classes whose models have no table of types leave them out otherwise.
        types = {"return_token_type_ids": True}

        def cut(*texts, most):
            # As batches, as data sets are mapped: by itself an empty second text counts as none.
            rows = tokenizer(*([text] for text in texts), truncation=True, max_length=most, **types)
            return row({name: values[0] for name, values in rows.items()})

        singles = [
            {"first": text, "max_len": most, "row": cut(text, most=most)}
            for text in TEXTS for most in MAX_LENS
        ]
        pairs = [
            {"first": a, "second": b, "max_len": most, "row": cut(a, b, most=most)}
            for a in TEXTS for b in TEXTS for most in MAX_LENS
        ]
        words = []
        for sentence in SENTENCES:
            encoding = apart(sentence, is_split_into_words=True, **types)
            words.append({"words": sentence, "row": row(encoding), "word_ids": encoding.word_ids()})
        padded = tokenizer([[TEXTS[1], TEXTS[1]], [TEXTS[2], TEXTS[1]]], padding=True, **types)
        rows = [padded["input_ids"], padded["attention_mask"], padded["token_type_ids"]]
        return {
            "model_type": model_type, "files": files, "singles": singles, "pairs": pairs, "words": words,
            "padded": {"pairs": [[TEXTS[1], TEXTS[1]], [TEXTS[2], TEXTS[1]]], "rows": rows},
        }


def main():
    made = [cases(*tokenizer) for tokenizer in tokenizers()]
    path = Path("crates/datasets/tests/fixtures/sequences.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in made) + "\n]\n")


main()
