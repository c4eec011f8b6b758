"""Writes the SentencePiece models that crates/text is held against class by class, and those that kiln
trains, with the ids that transformers and sentencepiece give.

Needs what make_tokenizer_fixtures.py needs, and a built kiln. Run from the repository's root:

    python scripts/make_sentence_piece_fixtures.py target/debug/kiln

In crates/text/tests/fixtures/sentence_piece_classes:

    unigram.model, bpe.model   with DeBERTa's special tokens, user-defined pieces and a few rules of
                               normalisation of their own
    bytes.model                of type BPE, unknown characters as bytes, no rules
    tokenizer.json             of a DebertaV2Tokenizer with unigram.model, as transformers writes it
    layouts.json               the folders that these are put into, and the ids that AutoTokenizer gives
                               there for each text; `null`: it opens no such folder
    ids.json                   the ids of sentencepiece for the models of type BPE without user-defined
                               pieces

In crates/text/tests/fixtures/sentence_piece_trained:

    deberta.model, xlnet.model   as kiln trains them, without their rules of normalisation, which kiln
                                 always gives
    ids.json                     their ids under sentencepiece, rules included
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")

import sentencepiece  # noqa: E402
from kiln_files import DEBERTA  # noqa: E402
from make_tokenizer_fixtures import CORPUS  # noqa: E402
from sentence_piece_texts import hard_texts  # noqa: E402
from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

FIXTURES = Path("crates/text/tests/fixtures")
CLASSES = FIXTURES / "sentence_piece_classes"
TRAINED = FIXTURES / "sentence_piece_trained"
# Wide letters, a fraction, letters in parts, a ligature, an odd space; a rule for two characters.
RULES = {
    "ｈ": "h", "ｅ": "e", "ｌ": "l", "ｏ": "o", "½": "1⁄2", "ﬁ": "fi", "\u00a0": " ", "\u3000": " ",
    "e\u0301": "é", "a\u0302": "â", "o\u0308": "ö", "\u200b": " ", "\u0001": "", "①": "1",
}
MASK = {
    "__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False,
    "single_word": False,
}
NAMES = {
    "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
XLM_ROBERTA = {"tokenizer_class": "XLMRobertaTokenizer"}
# The model, its name in the folder, config.json's model_type, tokenizer_config.json.
LAYOUTS = [
    ("unigram.model", "spm.model", "deberta-v2", {}),
    ("unigram.model", "spm.model", "deberta-v2", {"do_lower_case": True}),
    ("unigram.model", "spm.model", "deberta-v2", {"split_by_punct": True}),
    ("unigram.model", "spm.model", "bert", {"tokenizer_class": "DebertaV2TokenizerFast"}),
    ("bpe.model", "spm.model", "deberta-v2", {}),
    ("bytes.model", "spm.model", "deberta-v2", {"additional_special_tokens": ["<q>"]}),
    ("tokenizer.json", "tokenizer.json", "deberta-v2", {}),
    ("tokenizer.json", "tokenizer.json", "deberta-v2", {"split_by_punct": True}),
    ("tokenizer.json", "tokenizer.json", "xlnet", {}),
    ("unigram.model", "spiece.model", "xlnet", {}),
    ("unigram.model", "spiece.model", "xlnet", {"do_lower_case": True, "keep_accents": True}),
    ("bpe.model", "spiece.model", "xlnet", {"mask_token": MASK}),
    ("bpe.model", "spiece.model", "bert", {"tokenizer_class": "XLNetTokenizer", **NAMES,
                                           "additional_special_tokens": None}),
    ("unigram.model", "sentencepiece.bpe.model", "bert", XLM_ROBERTA),
    ("bpe.model", "sentencepiece.bpe.model", "bert", XLM_ROBERTA | {"mask_token": MASK}),
    ("bpe.model", "tokenizer.model", "bert", FAST | NAMES),
    ("bytes.model", "tokenizer.model", "bert", FAST),
    ("unigram.model", "tokenizer.model", "bert", FAST),
    ("bytes.model", "tokenizer.model", "deberta-v2", {}),
    ("unigram.model", "spm.model", "deberta-v2", FAST),
]
# Names that only Hugging Face looks for in a text.
SPECIAL = ("<s>", "<unk>", "[MASK]")
EXTRA = ["the <mask> was [MASK] hot", "a <x> b<x>c", "kiln zqz<q>", "<s>x</s> <pad>", "ｈｅｌｌｏ ½ e\u0301 ①"]


def train(**settings):
    model = io.BytesIO()
    settings = dict(vocab_size=420, hard_vocab_limit=False, num_threads=1, minloglevel=2) | settings
    lines = [line for line in CORPUS.split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, **settings
    )
    return model.getvalue()


def make_models():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        points = lambda text: " ".join(f"{ord(c):X}" for c in text)  # noqa: E731
        rules.write("".join(f"{points(key)}\t{points(text)}\n" for key, text in RULES.items()))
        rules.flush()
        own = dict(DEBERTA, normalization_rule_tsv=rules.name, user_defined_symbols=["<x>", "zqz"])
        models = {
            "unigram.model": train(model_type="unigram", **own),
            "bpe.model": train(model_type="bpe", **own),
            "bytes.model": train(
                model_type="bpe", normalization_rule_name="identity", byte_fallback=True,
                character_coverage=0.98, vocab_size=600,
            ),
        }
    for name, model in models.items():
        (CLASSES / name).write_bytes(model)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "spm.model").write_bytes(models["unigram.model"])
        (folder / "config.json").write_text(json.dumps({"model_type": "deberta-v2"}))
        AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
        saved = json.loads((folder / "tokenizer.json").read_text())
        (CLASSES / "tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False))


def ids_of_layout(model, file, model_type, fields, texts):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / file).write_bytes((CLASSES / model).read_bytes())
        (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        if fields:
            (folder / "tokenizer_config.json").write_text(json.dumps(fields))
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except Exception:  # noqa: BLE001 kiln's tests only need to know that
            return None, None
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        return len(tokenizer), ids


def make_classes():
    CLASSES.mkdir(parents=True, exist_ok=True)
    make_models()
    texts = EXTRA + hard_texts()[::4]
    layouts = []
    for model, file, model_type, fields in LAYOUTS:
        size, ids = ids_of_layout(model, file, model_type, fields, texts)
        layout = dict(model=model, file=file, model_type=model_type, fields=fields, size=size, ids=ids)
        layouts.append(layout)
    lines = ",\n".join(json.dumps(layout, separators=(",", ":")) for layout in layouts)
    text = json.dumps(texts, separators=(",", ":"))
    (CLASSES / "layouts.json").write_text(f'{{"texts":{text},\n"layouts":[\n{lines}\n]}}\n')
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(CLASSES / "bytes.model"))
    texts = [text for text in hard_texts()[::2] if not any(name in text for name in SPECIAL)]
    write_ids(CLASSES, [{"text": text, "bytes": pieces.encode(text)} for text in texts])


def make_trained(kiln):
    TRAINED.mkdir(parents=True, exist_ok=True)
    texts = [text for text in hard_texts() if not any(name in text for name in SPECIAL)]
    lines = [text for text in hard_texts() if not set("\n\r") & set(text) and text.strip()]
    processors = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "text.txt").write_text("\n\n".join(lines * 2) + CORPUS, newline="")
        for arch in ("deberta", "xlnet"):
            command = f"tokenizer train --arch {arch} --vocab-size 1000 --corpus text.txt --output {arch}"
            subprocess.run([kiln, *command.split()], cwd=folder, check=True)
            model = next((folder / arch).glob("*.model")).read_bytes()
            processors[arch] = sentencepiece.SentencePieceProcessor(model_proto=model)
            bare = sentencepiece_model_pb2.ModelProto.FromString(model)
            bare.normalizer_spec.precompiled_charsmap = b""
            (TRAINED / f"{arch}.model").write_bytes(bare.SerializeToString())
    write_ids(
        TRAINED,
        [{"text": text, **{name: p.encode(text) for name, p in processors.items()}} for text in texts],
    )


def write_ids(folder, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (folder / "ids.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    make_classes()
    if len(sys.argv) > 1:
        make_trained(Path(sys.argv[1]).resolve())
