"""Holds SentencePiece's models, as kiln trains and reads them, against sentencepiece and transformers.

Needs what make_tokenizer_fixtures.py needs, and a built kiln. Run from the repository's root:

    python scripts/check_sentence_piece.py target/debug/kiln

What kiln trains: ids of kiln, from tokenizer.json and from the model file alone, of transformers and of
sentencepiece are equal on texts of thirty-six scripts and on all that goes wrong between tokenizers.

What others publish: models of both types, with bytes for what is unknown, user-defined pieces and rules
of their own, in the layouts in which each class reads them; kiln's ids are AutoTokenizer's, or it says
why not.
"""

import io
import itertools
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
from kiln_files import DEBERTA, shard_ids  # noqa: E402
from sentence_piece_texts import hard_texts  # noqa: E402
from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

XLNET = dict(
    character_coverage=0.99995,
    control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"],
    user_defined_symbols=["<eop>", ".", "(", ")", '"', "-", "–", "£", "€"],
)
# Whole texts only: kiln reads a line as one.
TEXTS = [text for text in hard_texts() if not set("\n\r") & set(text)]


class Kiln:
    def __init__(self, binary):
        self.binary = Path(binary).resolve()
        self.number = itertools.count()

    def run(self, *arguments):
        return subprocess.run(
            [self.binary, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "RAYON_NUM_THREADS": "1"},
        )

    def ids(self, tokenizer, texts, work):
        """The ids of each text, or why not: a document each, which is one line, in a file of its own
        order. Texts that are nothing but spaces are no documents, and have no ids."""
        work = work / f"shard-{next(self.number)}"
        work.mkdir()
        (work / "texts.txt").write_text("\n\n".join(texts) + "\n", newline="")
        done = self.run(
            "prepare", "--tokenizer", tokenizer, "--corpus", work / "texts.txt",
            "--output", work / "shard", "--lines-are-sentences", "--threads", 1,
        )
        if done.returncode != 0:
            return done.stderr.strip().splitlines()[-1]
        return shard_ids(work / "shard")


def joined(encode, texts):
    return [token for text in texts for token in encode(text)]


def first_difference(kiln, tokenizer, encode, work, texts=TEXTS):
    """The first text, by halves, whose ids differ; or the reason for which kiln refuses."""
    ids = kiln.ids(tokenizer, texts, work)
    if isinstance(ids, str):
        return ids
    if ids == joined(encode, texts):
        return None
    if len(texts) == 1:
        return f"{texts[0]!a}: {ids} for {encode(texts[0])}"
    half = len(texts) // 2
    return first_difference(kiln, tokenizer, encode, work, texts[:half]) or first_difference(
        kiln, tokenizer, encode, work, texts[half:]
    )


def trained(kiln, work):
    """Kiln's own models."""
    (work / "corpus.txt").write_text("\n\n".join(TEXTS * 3) + "\n", newline="")
    # Their names in a text are special to Hugging Face alone.
    names = ("<s>", "</s>", "<unk>", "<cls>", "<sep>", "<pad>", "<mask>", "[MASK]", "[CLS]")
    texts = [text for text in TEXTS if not any(name in text for name in names)]
    for arch, kind in [("deberta", "unigram"), ("xlnet", "unigram-xlnet")]:
        folder = work / f"trained-{arch}"
        done = kiln.run(
            "tokenizer", "train", "--arch", arch, "--kind", kind, "--vocab-size", 1500,
            "--corpus", work / "corpus.txt", "--output", folder,
        )
        assert done.returncode == 0, done.stderr
        model = next(folder.glob("*.model"))
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
        alone = work / f"alone-{arch}"
        alone.mkdir()
        (alone / model.name).write_bytes(model.read_bytes())
        (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
        auto = AutoTokenizer.from_pretrained(folder)
        for text in texts:
            ids = auto.encode(text, add_special_tokens=False)
            assert ids == pieces.encode(text), (arch, ascii(text), ids, pieces.encode(text))
        for tokenizer in (folder, alone):
            difference = first_difference(kiln, tokenizer, pieces.encode, work, texts)
            assert difference is None, (arch, difference)
        print(f"{arch}: {len(auto)} entries, equal ids for {len(texts)} texts")


def train(**settings):
    model = io.BytesIO()
    lines = [text for text in TEXTS if text.strip() and "\0" not in text and len(text) < 400]
    settings = dict(model_type="unigram", vocab_size=1200) | settings
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, hard_vocab_limit=False,
        num_threads=1, minloglevel=2, **settings,
    )
    return model.getvalue()


def published(kiln, work):
    models = {}
    for kind in ("unigram", "bpe"):
        own = dict(model_type=kind)
        models |= {
            f"{kind}, DeBERTa's pieces": train(**own, **DEBERTA),
            f"{kind}, SentencePiece's pieces": train(**own),
            f"{kind}, XLNet's pieces": train(**own, **XLNET),
            f"{kind}, bytes": train(
                **own, **DEBERTA, byte_fallback=True, character_coverage=0.98, vocab_size=1500
            ),
            f"{kind}, user-defined": train(**own, **DEBERTA, user_defined_symbols=["<x>", "kil"]),
            f"{kind}, lower case": train(**own, **DEBERTA, normalization_rule_name="nmt_nfkc_cf"),
            f"{kind}, no rules": train(**own, **DEBERTA, normalization_rule_name="identity"),
        }
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True,
            "rstrip": False, "single_word": False}
    xlm_roberta = {"tokenizer_class": "XLMRobertaTokenizer"}
    # All five, because kiln builds no examples without them.
    fast = {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]",
            "pad_token": "[PAD]", "mask_token": "[MASK]"}
    layouts = [
        ("spm.model", "deberta-v2", {}),
        ("spm.model", "deberta-v2", {"do_lower_case": True}),
        ("spm.model", "deberta-v2", {"split_by_punct": True, "do_lower_case": False}),
        ("spm.model", "bert", {"tokenizer_class": "DebertaV2TokenizerFast"}),
        ("spiece.model", "xlnet", {}),
        ("spiece.model", "xlnet", {"do_lower_case": True, "keep_accents": True}),
        ("spiece.model", "xlnet", {"remove_space": False, "mask_token": mask,
                                   "additional_special_tokens": ["<eop>", "<eod>"]}),
        ("spiece.model", "bert", {"tokenizer_class": "XLNetTokenizer", "cls_token": "[CLS]",
                                  "sep_token": "[SEP]", "pad_token": "[PAD]",
                                  "unk_token": "[UNK]", "mask_token": "[MASK]",
                                  "additional_special_tokens": None}),
        ("sentencepiece.bpe.model", "bert", xlm_roberta),
        ("sentencepiece.bpe.model", "bert", xlm_roberta | {"mask_token": mask}),
        ("tokenizer.model", "bert", fast),
        ("tokenizer.model", "deberta-v2", {}),
    ]
    refused = 0
    for (name, model), (file, model_type, fields) in itertools.product(models.items(), layouts):
        for from_json in (False, True):
            folder = work / f"published-{next(kiln.number)}"
            folder.mkdir()
            (folder / file).write_bytes(model)
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
            if fields:
                (folder / "tokenizer_config.json").write_text(json.dumps(fields))
            said = f"{name} as {file} of {model_type} {fields}, from JSON: {from_json}"
            try:
                auto = AutoTokenizer.from_pretrained(folder)
                if from_json:
                    # As transformers writes it, and reads it again.
                    auto.save_pretrained(folder)
                    (folder / file).unlink(missing_ok=True)
                    auto = AutoTokenizer.from_pretrained(folder)
            except Exception as error:  # noqa: BLE001 what transformers can't open, kiln need not
                ids = kiln.ids(folder, TEXTS[:1], work)
                refused += 1
                print(f"  {said}\n    transformers: {str(error).splitlines()[0][:100]}\n    {ids}")
                continue
            encode = lambda text: auto.encode(text, add_special_tokens=False)  # noqa: E731
            difference = first_difference(kiln, folder, encode, work)
            if difference is not None and difference.startswith("error"):
                refused += 1
                print(f"  {said}\n    {difference}")
            else:
                assert difference is None, (said, difference)
    print(f"{len(models)} models in {len(layouts)} layouts, twice: equal ids, {refused} refused")


def words(kiln, work):
    """What is neither pieces by their probability nor joined pairs is refused by its name."""
    for kind in ("word", "char"):
        folder = work / kind
        folder.mkdir()
        model = sentencepiece_model_pb2.ModelProto.FromString(train(**DEBERTA))
        model.trainer_spec.model_type = {"word": 3, "char": 4}[kind]
        (folder / "spm.model").write_bytes(model.SerializeToString())
        error = kiln.ids(folder, ["a"], work)
        assert isinstance(error, str) and f"model_type is {kind}" in error, error
    print("word and char: refused")


def main():
    kiln = Kiln(sys.argv[1])
    parts = sys.argv[2:] or ["trained", "published", "words"]
    with tempfile.TemporaryDirectory() as work:
        for part in parts:
            {"trained": trained, "published": published, "words": words}[part](kiln, Path(work))


if __name__ == "__main__":
    main()
