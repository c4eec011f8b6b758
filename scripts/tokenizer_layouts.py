"""Folders of tokenizer files as people have them: a table of layouts, and random mixes of their parts.

check_tokenizers.py holds what Kiln makes of each against transformers. By itself this writes those
without SentencePiece, with the ids that transformers (5.23.0) gives, for the tests of kiln-text; needs
what check_tokenizers.py needs. From the repository's root:

    python scripts/tokenizer_layouts.py crates/text/tests/fixtures/folders.json.gz
"""

import gzip
import io
import json
import os
import random
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import kiln_files  # noqa: E402
import sentencepiece  # noqa: E402
from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    BertTokenizer,
    DebertaTokenizer,
    RobertaTokenizer,
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [
    *SPECIAL,
    *[f"[unused{index}]" for index in range(5)],
    *LETTERS,
    *["##" + letter for letter in LETTERS],
    *"the cat sat on mat dog hello world ##ing . , ! ? @ # Paris paris é ##é caf café".split(),
    *"cafe ##af 中 国 [ ] - ' H T".split(),
]
TEXT = "the cat sat on the mat. hello world! the dog sat on the cat, in Paris."
TEXTS = [
    TEXT,
    "Hello the CAT, Paris café",
    "hello @USER sat HTTPURL the",
    "hello@USERsat, HTTPURLs and @USER",
    "hello [unused1] cat [E1] sat [e1] the[E1]the",
    "the [MASK] sat, the  [MASK]  dog the[MASK]dog [mask]",
    "[CLS] hello [SEP] world [PAD]",
    "<s> hello </s> <mask> <pad> <unk> <|endoftext|>",
    "中国 hello, 'world' 12",
    "Naïve façade zz",
    "a b\tc",
]


def put(folder, name, value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    (folder / name).write_text(text, newline="")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def word_list(folder, words=WORDS, end="\n"):
    put(folder, "vocab.txt", end.join(words) + end)


def byte_bpe(folder, special=("<s>", "<pad>", "</s>", "<unk>", "<mask>")):
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT] * 5, vocab_size=300, special_tokens=list(special))
    tokenizer.save_model(str(folder))


def pieces(folder, name, **options):
    model = io.BytesIO()
    settings = {
        "sentence_iterator": iter([TEXT, *TEXTS] * 30),
        "model_writer": model,
        "vocab_size": 80,
        "hard_vocab_limit": False,
        "minloglevel": 2,
        "normalization_rule_name": "identity",
    }
    sentencepiece.SentencePieceTrainer.train(**settings | options)
    (folder / name).write_bytes(model.getvalue())


def deberta_pieces(folder):
    pieces(folder, "spm.model", **kiln_files.DEBERTA)


def xlnet_pieces(folder):
    pieces(
        folder,
        "spiece.model",
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"],
        user_defined_symbols=["<eop>"],
    )


def saved(folder, tokenizer_class, **options):
    """A tokenizer.json of transformers' own, without the files that it was made of."""
    tokenizer = tokenizer_class.from_pretrained(folder, **options)
    for file in list(folder.iterdir()):
        file.unlink()
    tokenizer.save_pretrained(folder)


def edit(folder, name, change):
    path = folder / name
    value = json.loads(path.read_text()) if path.exists() else {}
    change(value)
    put(folder, name, value)


def token(content, **flags):
    usual = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    return {"content": content, **usual, **flags}


END = len(WORDS)
BERT_JSON = lambda folder, **options: (word_list(folder), saved(folder, BertTokenizer, **options))
DEBERTA = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
CONFIG, MAP = "tokenizer_config.json", "special_tokens_map.json"


def layouts():
    """Name, model type, whether it has to open, what fills the folder."""

    def config(**fields):
        return lambda folder: put(folder, CONFIG, fields)

    def both(*steps):
        return lambda folder: [step(folder) for step in steps]

    def file(name, value):
        return lambda folder: put(folder, name, value)

    def of_json(change):
        return lambda folder: edit(folder, "tokenizer.json", change)

    def of_config(change):
        return lambda folder: edit(folder, CONFIG, change)

    user = {"@USER": END, "HTTPURL": END + 1}
    decoder = {str(END): token("@USER", special=False, normalized=True), str(END + 1): token("[E1]", special=True)}
    extra = ["[unused1]", "[E1]"]
    loose = [token("[E1]", lstrip=True), token("@USER", rstrip=True, normalized=True)]
    for model_type in ["bert", "electra"]:
        yield f"{model_type}, vocab.txt", model_type, True, word_list
        yield f"{model_type}, cased", model_type, True, both(word_list, config(do_lower_case=False))
        yield f"{model_type}, json", model_type, True, BERT_JSON
    for cls in [
        "BertTokenizerFast", "ElectraTokenizer", "DistilBertTokenizer", "ConvBertTokenizer",
        "MobileBertTokenizerFast",
    ]:
        yield f"class {cls}", "bert", True, both(word_list, config(tokenizer_class=cls))
    for options in [
        {"strip_accents": False}, {"strip_accents": True, "do_lower_case": False},
        {"tokenize_chinese_chars": False}, {"do_basic_tokenize": False}, {"never_split": ["cat"]},
        {"model_max_length": -1}, {"model_max_length": 1e30}, {"mask_token": None},
        {"bos_token": "[unused2]"}, {"eos_token": "[EOS]"}, {"split_special_tokens": True},
        {"sep_token": "[unused3]"}, {"mask_token": "<mask>"}, {"image_token": "[E1]"},
        {"mask_token": {"__type": "AddedToken", **token("[MASK]", lstrip=True)}},
    ]:
        yield f"vocab.txt, {options}", "bert", True, both(word_list, config(**options))
    for name, steps in {
        "json": BERT_JSON,
        "vocab.txt": both(word_list, config(do_lower_case=True)),
    }.items():
        yield f"{name}, added_tokens.json", "bert", True, both(steps, file("added_tokens.json", user))
        yield f"{name}, added_tokens.json, other ids", "bert", True, both(
            steps, file("added_tokens.json", {"HTTPURL": END + 7, "@USER": END + 3})
        )
        yield f"{name}, added_tokens_decoder", "bert", None, both(
            steps, of_config(lambda c: c.update(added_tokens_decoder=decoder))
        )
        for field in ["additional_special_tokens", "extra_special_tokens"]:
            yield f"{name}, {field} in config", "bert", True, both(
                steps, of_config(lambda c, f=field: c.update({f: extra}))
            )
            yield f"{name}, {field} in map", "bert", True, both(steps, file(MAP, {field: extra}))
            yield f"{name}, {field} in both", "bert", True, both(
                steps,
                of_config(lambda c, f=field: c.update({f: ["[E1]"]})),
                file(MAP, {field: ["@USER", "[E1]"]}),
            )
        yield f"{name}, extra_special_tokens by name", "bert", True, both(
            steps, of_config(lambda c: c.update(extra_special_tokens={"user_token": "@USER", "e": "[E1]"}))
        )
        yield f"{name}, extra tokens whole", "bert", True, both(
            steps,
            of_config(lambda c: c.update(
                extra_special_tokens=[{"__type": "AddedToken", **t} for t in loose]
            )),
        )
        yield f"{name}, names in map", "bert", True, both(
            steps, file(MAP, {"mask_token": "[unused2]", "bos_token": "[unused4]", "sep_token": token("[unused3]")})
        )
        yield f"{name}, names in map and config", "bert", True, both(
            steps,
            of_config(lambda c: c.update(sep_token="[unused1]")),
            file(MAP, {"sep_token": token("[unused3]", rstrip=True), "eos_token": token("[EOS]", lstrip=True)}),
        )
        yield f"{name}, map beside added_tokens_decoder", "bert", None, both(
            steps,
            of_config(lambda c: c.update(
                added_tokens_decoder={str(i): token(t, special=True) for i, t in enumerate(SPECIAL)}
            )),
            file(MAP, {"sep_token": "[unused3]"}),
            file("added_tokens.json", user),
        )
        yield f"{name}, all at once", "bert", True, both(
            steps,
            of_config(lambda c: c.update(additional_special_tokens=["[E1]"], bos_token="[unused2]")),
            file(MAP, {"additional_special_tokens": ["[E2]"], "cls_token": token("[unused4]")}),
            file("added_tokens.json", {**user, "[E1]": END + 2}),
        )
    # Vocabularies that are odd.
    yield "repeated lines", "bert", True, lambda f: word_list(f, [*WORDS, "zz", "the", "zzz", "cat"])
    yield "repeated and added", "bert", True, both(
        lambda f: word_list(f, [*WORDS, "zz", "the", "zzz", "cat"]), file("added_tokens.json", {"@USER": END + 4})
    )
    yield "blank lines", "bert", True, lambda f: word_list(f, [*WORDS[:40], "", *WORDS[40:60], "", *WORDS[60:]])
    yield "blank lines at the end", "bert", True, lambda f: word_list(f, [*WORDS, "", ""])
    yield "carriage returns", "bert", True, lambda f: word_list(f, end="\r\n")
    yield "spaces at ends", "bert", True, lambda f: word_list(f, end=" \n")
    yield "tabs and odd spaces at ends", "bert", True, lambda f: word_list(f, end="\t\u3000\n")
    yield "a byte order mark", "bert", False, lambda f: word_list(f, ["\ufeff" + WORDS[0], *WORDS[1:]])
    # tokenizer.json that says otherwise.
    cased = lambda folder: BERT_JSON(folder, do_lower_case=False)
    yield "cased json alone", "bert", None, both(cased, lambda f: (f / CONFIG).unlink())
    yield "cased json, length alone", "bert", None, both(cased, config(model_max_length=512))
    yield "cased json, class alone", "bert", None, both(cased, config(tokenizer_class="BertTokenizer"))
    yield "cased json, no model", None, True, both(cased, lambda f: (f / CONFIG).unlink())
    yield "cased json, as it stands", "bert", True, both(cased, config(tokenizer_class="PreTrainedTokenizerFast"))
    yield "cased json, unknown class", "bert", True, both(cased, config(tokenizer_class="KoBertTokenizer"))
    nfkc = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}
    for name, change in {
        "normalizer": lambda j: j.update(normalizer=nfkc),
        "no normalizer": lambda j: j.update(normalizer=None),
        "pre_tokenizer": lambda j: j.update(pre_tokenizer={"type": "WhitespaceSplit"}),
        "clean_text": lambda j: j["normalizer"].update(clean_text=False),
        "long words": lambda j: j["model"].update(max_input_chars_per_word=4),
        "prefix": lambda j: j["model"].update(continuing_subword_prefix=""),
        "unknown": lambda j: j["model"].update(unk_token="[unused0]"),
        "no post_processor": lambda j: j.update(post_processor=None),
        "another token": lambda j: j["added_tokens"].append({"id": END, **token("@USER", special=False, normalized=True)}),
        "a token that strips": lambda j: j["added_tokens"].append({"id": 6, **token("[unused1]", special=True, lstrip=True, rstrip=True)}),
        "a single word": lambda j: j["added_tokens"].append({"id": END, **token("@USER", special=False, single_word=True)}),
        "a normalised token": lambda j: j["added_tokens"].append({"id": END, **token("[E1]", special=True, normalized=True)}),
    }.items():
        yield f"json with another {name}", "bert", None, both(BERT_JSON, of_json(change))
        yield f"json with another {name}, as it stands", "bert", True, both(
            BERT_JSON, of_json(change), of_config(lambda c: c.update(tokenizer_class="PreTrainedTokenizerFast"))
        )
    # Classes that Kiln has not, or that read other files than those that lie there.
    for cls in [
        "BertJapaneseTokenizer", "HerbertTokenizer", "KoBertTokenizer", "PhobertTokenizer", "BertweetTokenizer",
        "FlaubertTokenizer", "RoFormerTokenizer", "MPNetTokenizer", "FunnelTokenizer", "AlbertTokenizer",
        "CamembertTokenizer", "T5Tokenizer", "CanineTokenizer", "SplinterTokenizer", "TapasTokenizer",
        "LayoutLMv2Tokenizer", "EsmTokenizer", "PreTrainedTokenizerFast",
    ]:
        if cls != "PreTrainedTokenizerFast":
            yield f"vocab.txt of {cls}", "bert", False, both(word_list, config(tokenizer_class=cls))
            yield f"bytes of {cls}", "bert", False, both(byte_bpe, config(tokenizer_class=cls))
            yield f"{cls} by the model", "bert", False, both(
                word_list, lambda f, c=cls: put(f, "config.json", {"model_type": "bert", "tokenizer_class": c})
            )
            yield f"json of {cls}", "bert", None, both(BERT_JSON, config(tokenizer_class=cls))
        else:
            yield f"vocab.txt of {cls}", "bert", False, both(word_list, config(tokenizer_class=cls))
    custom = {"AutoTokenizer": ["mine.MyTokenizer", None]}
    yield "code of its own", "bert", False, both(word_list, config(auto_map=custom, tokenizer_class="MyTokenizer"))
    yield "three vocabularies, class BERT", "bert", True, both(
        byte_bpe, word_list, deberta_pieces, config(tokenizer_class="BertTokenizer")
    )
    yield "three vocabularies, by the model", "bert", True, both(byte_bpe, word_list, deberta_pieces)
    yield "three vocabularies, class RoBERTa", "bert", True, both(
        byte_bpe, word_list, deberta_pieces, config(tokenizer_class="RobertaTokenizer")
    )
    yield "pieces alone for BERT", "bert", False, deberta_pieces
    # Byte-level BPE.
    for cls in ["RobertaTokenizer", "RobertaTokenizerFast", "LongformerTokenizer"]:
        for space in [None, False, True]:
            options = {} if space is None else {"add_prefix_space": space}
            yield f"{cls}, {options}", "bert", True, both(byte_bpe, config(tokenizer_class=cls, **options))
    deberta = lambda folder: byte_bpe(folder, DEBERTA)
    yield "DeBERTa", "deberta", True, deberta
    yield "DeBERTa, as published", "deberta", True, both(deberta, config(do_lower_case=False, vocab_type="gpt2"))
    yield "DeBERTa, json", "deberta", True, both(deberta, lambda f: saved(f, DebertaTokenizer))
    yield "DeBERTa, json with a space", "deberta", None, both(
        deberta, lambda f: saved(f, DebertaTokenizer), of_json(lambda j: j["pre_tokenizer"].update(add_prefix_space=True))
    )
    yield "RoBERTa, json", "bert", True, both(
        byte_bpe, config(tokenizer_class="RobertaTokenizer"), lambda f: saved(f, RobertaTokenizer)
    )
    yield "DeBERTa, a mask that strips", "deberta", True, both(
        deberta, config(mask_token={"__type": "AddedToken", **token("[MASK]", lstrip=True)})
    )
    yield "DeBERTa, added", "deberta", True, both(
        deberta, file("added_tokens.json", {"@USER": 300}), file(MAP, {"additional_special_tokens": ["[E1]"]})
    )
    # SentencePiece.
    yield "DeBERTa v3", "deberta-v2", True, deberta_pieces
    yield "DeBERTa v3, added", "deberta-v2", True, both(
        deberta_pieces, config(additional_special_tokens=["[E1]"]), file("added_tokens.json", {"@USER": 500})
    )
    yield "XLNet", "xlnet", True, xlnet_pieces
    yield "XLNet, added", "xlnet", True, both(xlnet_pieces, file("added_tokens.json", {"@USER": 500}))


def mixed(folder, random):
    """A folder with parts chosen at random; its name."""
    fresh(folder)
    kind = random.choice(["vocab.txt", "json", "bytes", "bytes json"])
    odds = random.random
    config = {}
    if kind == "vocab.txt":
        word_list(folder)
    elif kind == "json":
        config["do_lower_case"] = random.choice([True, False])
        BERT_JSON(folder, do_lower_case=config["do_lower_case"])
    else:
        byte_bpe(folder, DEBERTA)
        if kind == "bytes json":
            saved(folder, DebertaTokenizer)
    size = END if "bytes" not in kind else len(json.loads((folder / "vocab.json").read_text())) if kind == "bytes" else 300
    model_type = "bert" if "bytes" not in kind else "deberta"
    pool = ["@USER", "HTTPURL", "[E1]", "[e1]", "[unused1]", "cat", "hello world", "[EOS]", "中"]

    def whole(type_field):
        flags = {name: odds() < 0.3 for name in ["lstrip", "rstrip", "single_word", "normalized"]}
        made = {"content": random.choice(pool), **flags}
        return {"__type": "AddedToken", **made} if type_field else made

    def some(type_field):
        return [
            random.choice(pool) if odds() < 0.6 else whole(type_field) for _ in range(random.randint(1, 3))
        ]

    if odds() < 0.3:
        config["tokenizer_class"] = random.choice(
            ["BertTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast", "DebertaTokenizer", "KoBertTokenizer"]
        )
    if odds() < 0.4:
        config[random.choice(["additional_special_tokens", "extra_special_tokens"])] = some(True)
    if odds() < 0.2:
        config["added_tokens_decoder"] = {
            str(size + index): {**whole(False), "special": odds() < 0.5} for index in range(random.randint(1, 3))
        }
    # A name with a space in it breaks transformers' own template.
    names = [token for token in pool if " " not in token]
    for field in ["bos_token", "eos_token", "mask_token", "sep_token", "image_token"]:
        if odds() < 0.15:
            config[field] = random.choice(names) if odds() < 0.6 else {**whole(True), "content": random.choice(names)}
    if odds() < 0.2:
        config["split_special_tokens"] = odds() < 0.5
    if odds() < 0.2:
        config["do_lower_case"] = odds() < 0.5
    special = {}
    if odds() < 0.3:
        special[random.choice(["additional_special_tokens", "extra_special_tokens"])] = [
            random.choice(pool) for _ in range(2)
        ]
    for field in ["eos_token", "cls_token", "mask_token"]:
        if odds() < 0.15:
            special[field] = random.choice(names) if odds() < 0.5 else {**whole(False), "content": random.choice(names)}
    listed = {}
    if odds() < 0.4:
        for index, name in enumerate(random.sample(pool, random.randint(1, 3))):
            listed[name] = size + index
    if config or odds() < 0.5:
        put(folder, CONFIG, config)
    if special:
        put(folder, MAP, special)
    if listed:
        put(folder, "added_tokens.json", listed)
    return f"{kind}: {json.dumps(config, ensure_ascii=False)} {special} {listed}", model_type


def expected(folder):
    """transformers' ids of the texts; None if it opens no tokenizer."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    except Exception:  # Whatever it is, it is no tokenizer.
        return None


def main():
    pool, folders = [], []
    chance = random.Random(7)

    def add(name, model_type, has_to_open, folder):
        if model_type and not (folder / "config.json").exists():
            put(folder, "config.json", {"model_type": model_type})
        files = {}
        for file in sorted(folder.iterdir()):
            with file.open(newline="") as text:
                content = text.read()
            if content not in pool:
                pool.append(content)
            files[file.name] = pool.index(content)
        ids = expected(folder)
        folders.append({"name": name, "files": files, "opens": has_to_open, "ids": ids})

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder) / "layout"
        for name, model_type, has_to_open, fill in layouts():
            fresh(folder)
            fill(folder)
            if not list(folder.glob("*.model")):
                add(name, model_type, has_to_open, folder)
        for index in range(150):
            name, model_type = mixed(folder, chance)
            add(f"mix {index}", model_type, None, folder)
    value = json.dumps({"texts": TEXTS, "pool": pool, "folders": folders}, ensure_ascii=False)
    # Without a time in it, so that the same folders are the same file.
    Path(sys.argv[1]).write_bytes(gzip.compress(value.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
