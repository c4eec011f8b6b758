"""Writes the tokenizers that crates/text is held against, and the ids that their own libraries give.

Needs sentencepiece, regex, torch and transformers (0.2.3, 2026.11.19, 2.9.1 and 5.23.0 made the
committed files). Run from the repository's root:

    python scripts/make_tokenizer_fixtures.py

In crates/text/tests/fixtures/sentence_piece:

    nmt_nfkc.model.gz   a unigram model with SentencePiece's own normalisation, special tokens as in
                        DeBERTa; packed, because the normalisation's table alone has 240 KB
    bytes.model         one without normalisation, special tokens as SentencePiece's trainer has them,
                        unknown characters as bytes
    ids.json            hard texts, and their ids under both

In crates/text/tests/fixtures/xlnet, with XLNet's pieces:

    bare.model          a unigram model without its normalisation, which is that of nmt_nfkc.model.gz
    ids.json            hard texts, and their ids under transformers' XLNetTokenizer with both

In crates/text/tests/fixtures/byte_bpe, with special tokens as in DeBERTa v1:

    vocab.json, merges.txt   as transformers has them
    bpe_encoder.bin          the same as the original has it, with other ids inside, as GPT-2's
    ids.json                 hard texts, and their ids by GPT-2's published algorithm, written down here
"""

import gzip
import io
import json
import random
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import regex
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import XLNetTokenizer

FOLDER = Path("crates/text/tests/fixtures/sentence_piece")
BYTE_BPE = Path("crates/text/tests/fixtures/byte_bpe")
XLNET = Path("crates/text/tests/fixtures/xlnet")
SEED = 5
VOCAB_SIZE = 600
MERGES = 250

# GPT-2's splitter (Radford et al. 2019, published with the model).
WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

CORPUS = """
The kiln was hot, and the potter opened it again. He waited until the red pots were cool; then he
counted them: 12 large ones, 34 small ones, and 5 that had burst. "What a pity," he said, "but next
time I shall heat it more slowly." In 1789 the first kiln of the village was built, in 1812 it burnt.
Whoever trains a model reads the loss every 100 steps; it falls from 10.4 to 3.2, and then slowly.
Words come again: kilns, potters, opening, opened, heating, heated, cooler, coolest, largest, smaller.
Ёжик пил чай. Ёлка стояла, ещё зелёная; йод и чайник, мой чай, твой чай, её ёжик, их ёжики, ёлки и
зелёный лес. Гончар открыл печь и увидел горшки: они были красные, горячие и очень красивые.
Он подождал немного, потом открыл её снова. В 1812 году первая печь сгорела, в 1813 построили другую.
Der Töpfer öffnete den Ofen und wartete, bis die Töpfe kühl waren. Größere Töpfe brauchen länger.
Le potier a ouvert le four; les pots étaient déjà tièdes, ça prend du temps, même à l'été.
Người thợ gốm mở lò nung và chờ cho đến khi những chiếc bình nguội. Tiếng Việt có nhiều dấu.
Ο κεραμέας άνοιξε τον φούρνο και περίμενε μέχρι να κρυώσουν τα αγγεία.
陶芸家は窯を開けて、壺が冷えるまで待った。ガラスとパンとゴミ。
도예가는 가마를 열고 항아리가 식을 때까지 기다렸다. 한국어는 한글로 쓴다.
陶工打开窑，等到罐子冷却。中文没有空格。
فتح الخزاف الفرن وانتظر حتى بردت الأواني. اللُّغَةُ العَرَبِيَّةُ.
הקדר פתח את התנור וחיכה עד שהכדים יתקררו. שָׁלוֹם עֲלֵיכֶם.
"""

# What goes wrong between tokenizers.
HARD = [
    "", " ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "a", " a", "a ", "  a  b  ",
    "a\tb", "a\nb", "a\r\nb", "a\u00a0b", "a\u200bb", "a\u200db", "a\u3000b", "a\u2028b", "a\u00adb",
    "\u0001a", "a\u0002b", "a\u007fb", "a\u0085b", "\ufffd", "a\ufffdb",
    "ｈｅｌｌｏ", "Ｔｈｅ ｋｉｌｎ　ｗａｓ", "１２３", "①②③", "²³", "½ cup", "㎏ and ㎡", "ﬁre", "ofﬁce", "ﬂow eﬀort",
    "Ⅻ", "℃", "™", "№ 5", "…", "wait...", "″", "‼", "Ǆ", "ſt", "Å Å Å", "ª º", "ﾊﾟﾝ", "ｶﾞﾗｽ", "ガラス", "ｺﾞﾐ",
    "the kiln's", "don't", "\"quoted\"", "“quoted”", "—", "a—b", "a-b-c", "e.g.", "3.14", "1,000,000", "10:45",
    "$5", "50%", "a_b", "a/b\\c", "<b>", "C++", "#tag", "@name", "http://a.b/c?d=e&f", "😀", "kiln😀the", "👩‍👩‍👧‍👦", "👍🏽",
    "🇩🇪", "❤️", "☃", "™️", "Ёжик", "ёлка и йод", "ЁЛКА", "ѐ", "чай,чай", "Größe", "GRÖSSE", "ß", "ẞ", "ǅ", "ı İ",
    "Người", "Tiếng Việt", "한국어", "도예가는", "ᄒ", "陶工打开窑", "陶芸家は窯を", "漢字かな", "豈 更", "丽",
    "العربية", "اللُّغَةُ", "ﷺ", "ﻻ", "שלום", "שָׁלוֹם", "שּׁ", "नमस्ते", "हिन्दी", "ไทย", "ภาษาไทย", "བོད་", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𝟘𝟙",
    "0x41", "x" * 200, "the" * 50, "zzzzqqqq", "the kiln " * 20,
    "e\u0301", "e\u0302\u0301", "o\u031b\u0300", "a\u0323\u0302", "q\u0323", "½\u0301", "ｅ\u0301",
]


def texts():
    draw = random.Random(SEED)
    decomposed = [unicodedata.normalize("NFD", text) for text in HARD]
    lines = [line for line in CORPUS.split("\n") if line]
    decomposed += [unicodedata.normalize("NFD", line) for line in lines]
    alphabets = [
        " \t\n\r\u00a0\u200b\u200d\u3000\u0001ab.,",
        "０１ａｂＺﬁﬂ㎏²½™①ab ",
        "aéеёйñüßøłđçşơư -",
        "한각ᄒ\u1161\u11ab か\u3099は\u309a",
        "😀👍\U0001f3fd❤\ufe0f\u200d☃ ab",
        "0123456789.,:-+ %",
    ]
    words = CORPUS.split()
    drawn = []
    for alphabet in alphabets:
        for _ in range(30):
            drawn.append("".join(draw.choice(alphabet) for _ in range(draw.randint(1, 14))))
    for _ in range(60):
        spaces = [" ", "  ", "\t", "\u00a0", "\u200b", ""]
        chosen = [draw.choice(words) + draw.choice(spaces) for _ in range(draw.randint(1, 6))]
        drawn.append("".join(chosen))
    every = HARD + lines + decomposed + drawn
    return list(dict.fromkeys(every))


def train(**settings):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in CORPUS.split("\n") if line),
        model_writer=model,
        model_type="unigram",
        vocab_size=VOCAB_SIZE,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    return model.getvalue()


def byte_alphabet():
    """The character of each byte: printable ones stand for themselves, others follow U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable}
    characters |= {byte: chr(0x100 + index) for index, byte in enumerate(others)}
    return characters


def split(text, alphabet):
    return [[alphabet[byte] for byte in word.encode()] for word in WORDS.findall(text)]


def join(pieces, pair):
    joined, index = [], 0
    while index < len(pieces):
        if tuple(pieces[index : index + 2]) == pair:
            joined.append(pieces[index] + pieces[index + 1])
            index += 2
        else:
            joined.append(pieces[index])
            index += 1
    return joined


def train_merges(words):
    merges = []
    while len(merges) < MERGES:
        counts = Counter(pair for pieces in words for pair in pairwise(pieces))
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(pair)
        words = [join(pieces, pair) for pieces in words]
    return merges


def encode_bytes(text, alphabet, merges, vocab):
    ids = []
    for pieces in split(text, alphabet):
        while pairs := [pair for pair in pairwise(pieces) if pair in merges]:
            pieces = join(pieces, min(pairs, key=merges.get))
        ids += [vocab[piece] for piece in pieces]
    return ids


def make_byte_bpe():
    alphabet = byte_alphabet()
    merges = train_merges([word for line in CORPUS.split("\n") for word in split(line, alphabet)])
    # GPT-2's own ids: bytes, then pieces in order. DeBERTa's are in another order, by counts.
    pieces = sorted(alphabet.values()) + ["".join(pair) for pair in merges]
    pieces = list(dict.fromkeys(pieces))
    encoder = {piece: index for index, piece in enumerate(pieces)}
    order = random.Random(SEED).sample(pieces, len(pieces))
    dict_map = [(str(encoder[piece]), 10_000 - index) for index, piece in enumerate(order)]
    dict_map.append(("madeupword0000", 0))
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *order, "madeupword0000", "[MASK]"]
    vocab = {token: index for index, token in enumerate(tokens)}

    BYTE_BPE.mkdir(parents=True, exist_ok=True)
    (BYTE_BPE / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    lines = "".join(f"{first} {second}\n" for first, second in merges)
    (BYTE_BPE / "merges.txt").write_text("#version: 0.2\n" + lines)
    original = {"encoder": encoder, "vocab": merges, "dict_map": dict_map}
    torch.save(original, BYTE_BPE / "bpe_encoder.bin", _use_new_zipfile_serialization=False)
    ranks = {pair: index for index, pair in enumerate(merges)}
    write_ids(
        BYTE_BPE,
        [{"text": t, "ids": encode_bytes(t, alphabet, ranks, vocab)} for t in texts()],
    )


def make_xlnet():
    # The flags of the original's README; its list of signs as a list.
    model = sentencepiece_model_pb2.ModelProto.FromString(
        train(
            character_coverage=0.99995,
            control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"],
            user_defined_symbols=["<eop>", ".", "(", ")", '"', "-", "–", "£", "€"],
        )
    )
    # From the pieces: from the file transformers takes the signs out of the text before anything
    # else, and begins a word after each, which the original does not.
    vocab = [(piece.piece, piece.score) for piece in model.pieces]
    charsmap = model.normalizer_spec.precompiled_charsmap
    tokenizers = {
        name: XLNetTokenizer(vocab, _spm_precompiled_charsmap=charsmap, do_lower_case=lower)
        for name, lower in [("cased", False), ("uncased", True)]
    }
    XLNET.mkdir(parents=True, exist_ok=True)
    model.normalizer_spec.precompiled_charsmap = b""
    (XLNET / "bare.model").write_bytes(model.SerializeToString())
    quoted = ["``The kiln'' was hot", "'a' ''b'' `c` ``d``", "don''t", "the <mask> was <eod>", "x<eop> y"]
    cases = [
        {"text": text, **{name: t.encode(text) for name, t in tokenizers.items()}}
        for text in texts() + quoted
    ]
    write_ids(XLNET, cases)


def write_ids(folder, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (folder / "ids.json").write_text(f"[\n{lines}\n]\n")


def main():
    make_byte_bpe()
    make_xlnet()
    models = {
        "nmt_nfkc": train(
            pad_id=0, bos_id=1, eos_id=2, unk_id=3,
            pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
        ),
        "bytes": train(
            normalization_rule_name="identity", byte_fallback=True, character_coverage=0.98
        ),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "nmt_nfkc.model.gz").write_bytes(gzip.compress(models["nmt_nfkc"], 9, mtime=0))
    (FOLDER / "bytes.model").write_bytes(models["bytes"])
    processors = {
        name: sentencepiece.SentencePieceProcessor(model_proto=model)
        for name, model in models.items()
    }
    cases = [
        {"text": text, **{name: p.encode(text) for name, p in processors.items()}}
        for text in texts()
    ]
    write_ids(FOLDER, cases)


if __name__ == "__main__":
    main()
