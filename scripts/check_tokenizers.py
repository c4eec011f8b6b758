"""Holds kiln's tokenizers against transformers: those that it trains, and folders that it opens.

Needs transformers (5.23.0) besides what make_tokenizer_fixtures.py needs, and a built kiln. Run from
the repository's root:

    python scripts/check_tokenizers.py target/debug/kiln [--mixes 100] [--seed 1] [--runs 5]

Folders are those of tokenizer_layouts.py, by name and mixed at random. For each, kiln has to give the
ids that AutoTokenizer gives, or an error, which is printed; `--runs` counts the folders from which a
run is started too, whose checkpoint AutoTokenizer has to open with the same ids, names and length.

A unigram tokenizer's ids under transformers have to be those that SentencePiece gives for the
spm.model beside it, a byte-level one's those of GPT-2's algorithm with vocab.json and merges.txt
(DeBERTa's and RoBERTa's), XLNet's those of transformers' own XLNetTokenizer with the pieces and rules of spiece.model.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["RAYON_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import sentencepiece  # noqa: E402
import tokenizer_layouts  # noqa: E402
from kiln_files import shard_ids  # noqa: E402
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


def check_roberta(folder):
    """vocab.json and merges.txt open as RobertaTokenizer, with and without the tokenizer.json."""
    encode = gpt2(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    whole = AutoTokenizer.from_pretrained(folder)
    (folder / "tokenizer.json").rename(folder / "aside.json")
    bare = AutoTokenizer.from_pretrained(folder)
    (folder / "aside.json").rename(folder / "tokenizer.json")
    for tokenizer in [whole, bare]:
        assert type(tokenizer).__name__ == "RobertaTokenizer", type(tokenizer)
        names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        assert tokenizer.convert_tokens_to_ids(names) == [0, 1, 2, 3, 4]
        for text in texts():
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert ids == encode(text), ascii(text)
        hi = encode("Hi")
        assert tokenizer("Hi", "Hi")["input_ids"] == [0, *hi, 2, 2, *hi, 2]
        # The mask takes the space before it along.
        masked = tokenizer.encode("the <mask> was", add_special_tokens=False)
        assert masked == [*encode("the"), 4, *encode(" was")], masked
    print(f"roberta: {len(whole)} entries, equal ids for {len(texts())} texts")


def prepared(kiln, folder, work, texts):
    """kiln's ids of texts in a row, or its error."""
    tokenizer_layouts.fresh(work)
    (work / "text.txt").write_text("\n".join(texts) + "\n")
    command = [kiln, "prepare", "--tokenizer", folder, "--corpus", work / "text.txt", "--threads", "1"]
    flags = ["--output", work / "shards", "--lines-are-sentences"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True)
    if done.returncode:
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        return None, done.stderr.strip()
    return shard_ids(work / "shards"), done.stderr.strip()


def opened(folder):
    """transformers' tokenizer, or its error."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer("hello", add_special_tokens=False)
        return tokenizer, None
    except Exception as error:  # Whatever it is, it is no tokenizer.
        return None, f"{type(error).__name__}: {str(error)[:100]}"


def ids_of(tokenizer, texts):
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def described(tokenizer):
    pair = tokenizer("the cat", "sat on")
    return {
        "names": tokenizer.special_tokens_map,
        "all": sorted(tokenizer.all_special_tokens),
        "length": min(tokenizer.model_max_length, 10**9),
        "entries": len(tokenizer),
        "pair": pair["input_ids"],
        "types": pair.get("token_type_ids"),
        "side": (tokenizer.padding_side, tokenizer.truncation_side),
    }


def check_run(kiln, folder, model_type, work):
    """Whether the checkpoint of a run from the folder has the folder's tokenizer; what differs."""
    architecture = {"deberta-v2": "deberta"}.get(model_type, model_type)
    tokenizer_layouts.fresh(work)
    lines = ["the cat sat on the mat.", "hello world!", ""] * 60
    (work / "corpus.txt").write_text("\n".join(lines))
    command = [kiln, "pretrain", architecture, "--tokenizer", folder, "--corpus", work / "corpus.txt"]
    flags = "--preset tiny --steps 1 --seq-len 16 --batch-size 2 --output".split()
    done = subprocess.run(
        [*command, *flags, work / "run", "--cache-dir", work / "cache"], capture_output=True, text=True
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    checkpoint = sorted((work / "run/checkpoints").glob("step-*"))[-1]
    if not (checkpoint / "tokenizer.json").exists():
        checkpoint /= "discriminator"
    before, after = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(checkpoint)
    texts = tokenizer_layouts.TEXTS
    if ids_of(before, texts) != ids_of(after, texts):
        return "other ids"
    one, other = described(before), described(after)
    return {key: (one[key], other[key]) for key in one if one[key] != other[key]} or None


def check_layouts(kiln, folder, options):
    chance = random.Random(options.seed)
    counts = {"same": 0, "refused": 0}
    wrong = []

    def check(name, model_type, has_to_open, layout, runs):
        if model_type and not (layout / "config.json").exists():
            (layout / "config.json").write_text(json.dumps({"model_type": model_type}))
        tokenizer, error = opened(layout)
        texts = tokenizer_layouts.TEXTS
        if tokenizer:
            try:
                expected = ids_of(tokenizer, texts)
            except Exception as failure:
                tokenizer, error = None, str(failure)[:100]
        ids, said = prepared(kiln, layout, folder / "work", texts)
        if ids is None:
            counts["refused"] += 1
            print(f"refused  {name}: {said.replace(str(layout), '.')}")
            if has_to_open and tokenizer:
                wrong.append(f"{name}: has to open: {said}")
            return
        if has_to_open is False or tokenizer is None:
            wrong.append(f"{name}: opens, but transformers: {error}")
            return
        if ids != sum(expected, []):
            parts = [prepared(kiln, layout, folder / "work", [text])[0] for text in texts]
            odd = [
                (text, tokenizer.convert_ids_to_tokens(right), tokenizer.convert_ids_to_tokens(part))
                for text, right, part in zip(texts, expected, parts)
                if right != part
            ]
            wrong.append(f"{name}: {odd}")
            return
        counts["same"] += 1
        if runs:
            difference = check_run(kiln, layout, model_type, folder / "work")
            print(f"run      {name}: {difference or 'same'}")
            if difference:
                wrong.append(f"{name}: a run's checkpoint: {difference}")

    for index, (name, model_type, has_to_open, fill) in enumerate(tokenizer_layouts.layouts()):
        if options.only not in name:
            continue
        layout = folder / "layout"
        tokenizer_layouts.fresh(layout)
        fill(layout)
        runs = options.runs and model_type and index % max(1, 200 // options.runs) == 0
        check(name, model_type, has_to_open, layout, runs)
    for index in range(0 if options.only else options.mixes):
        name, model_type = tokenizer_layouts.mixed(folder / "layout", chance)
        check(f"mix {index} {name}", model_type, None, folder / "layout", False)
    print(f"folders: {counts['same']} with the same ids, {counts['refused']} refused")
    assert not wrong, "\n" + "\n".join(wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kiln", type=Path)
    parser.add_argument("--mixes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="layouts with this in their name alone")
    options = parser.parse_args()
    kiln = options.kiln.resolve()
    with tempfile.TemporaryDirectory() as folder:
        check_layouts(kiln, Path(folder), options)
        if not options.only:
            check_trained(kiln, Path(folder))


def check_trained(kiln, folder):
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
    output = folder / "roberta"
    command = "tokenizer train --arch roberta --vocab-size 500"
    flags = ["--corpus", "text.txt", "--output", str(output)]
    subprocess.run([kiln, *command.split(), *flags], cwd=folder, check=True)
    check_roberta(output)
    output = folder / "xlnet"
    command = "tokenizer train --arch bert --kind unigram-xlnet --vocab-size 400"
    flags = ["--corpus", "text.txt", "--output", str(output)]
    subprocess.run([kiln, *command.split(), *flags], cwd=folder, check=True)
    check_xlnet(output)


if __name__ == "__main__":
    main()
