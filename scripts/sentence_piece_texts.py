"""Texts on which tokenizers part ways: thirty-six scripts, and what is odd in each of them."""

import random
import unicodedata

SEED = 7

SCRIPTS = {
    "latin": "The kiln, déjà-vu: straße İstanbul ǅungla Ærø naïve ﬁn œuvre ŀl ĳ ŉ Ａ１ª",
    "vietnamese": "Người thợ gốm mở lò nung, tiếng Việt",
    "greek": "Ο κεραμέας άνοιξε ΐ ϋ ᾳ ᾧ ῥ Ω Ω ς",
    "cyrillic": "Ёжик, їжак й ў Љ ѝ Ѵ Ѷ",
    "armenian": "Հայաստան և բարեւ ﬓ",
    "georgian": "საქართველო Ⴀ ᲐᲑ ჼ",
    "hebrew": "שָׁלוֹם עֲלֵיכֶם שּׁ יִשְׂרָאֵל",
    "arabic": "اللُّغَةُ العَرَبِيَّةُ ﷺ ﻻ أَإِآ ۀ",
    "syriac": "ܫܠܡܐ ܥܠܝܟܘܢ ܐܶܠܳܗܳܐ",
    "devanagari": "नमस्ते हिन्दी क़ ज़ ऩ क्षेत्र",
    "bengali": "বাংলা ভাষা ড় ঢ় কো কৌ",
    "tamil": "தமிழ் கொ கௌ ஸ்ரீ",
    "telugu": "తెలుగు కై శ్రీ",
    "kannada": "ಕನ್ನಡ ಕೊ ಕೋ",
    "malayalam": "മലയാളം കൊ ൻ",
    "sinhala": "සිංහල කො කෞ",
    "gurmukhi": "ਪੰਜਾਬੀ ਸ਼ ਖ਼",
    "gujarati": "ગુજરાતી",
    "oriya": "ଓଡ଼ିଆ କୋ",
    "thai": "ภาษาไทยกำลังน้ำ ที่นี่",
    "lao": "ພາສາລາວ ກຳ ໜ",
    "khmer": "ភាសាខ្មែរ កោះ ស្រី",
    "myanmar": "မြန်မာဘာသာ ဦး",
    "tibetan": "བོད་སྐད་ གྷ ཀྵ རྫོགས་ཆེན། ཱྀི",
    "ethiopic": "አማርኛ ቋንቋ",
    "cherokee": "ᏣᎳᎩ ꮳꮃꭹ",
    "mongolian": "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ",
    "hangul": "도예가는 가마를 열고 한각 뷁 ㄱㅏ ﾡ",
    "jamo": "ᄒ\u1161\u11ab ᄀ\u1161 \u1161\u11a8 ᄀ\u119e\u11b7 가\u11a8",
    "han": "陶工打开窑，等到罐子冷却。豈 丽 𠀋 ⺀",
    "kana": "かな カナ ｶﾞﾗｽ パン が ヽ゛ ㌔ ㍿ ゔ",
    "bopomofo": "ㄅㄆㄇ ㄪ",
    "yi": "ꆈꌠꁱꂷ",
    "runic": "ᚠᚢᚦᚨᚱᚲ",
    "math": "𝔘𝔫𝔦 𝟘𝟙 ∬ ≠ ⫝̸ ½ ⅓ Ⅻ ℃ ㎏ ㏂ ①",
    "emoji": "👩\u200d👩\u200d👧\u200d👦 👍🏽 🇩🇪 ❤\ufe0f ☃ ™\ufe0f 1\ufe0f\u20e3 🏴\U000e0067\U000e0062\U000e007f",
    "punct": "“q” ‘s’ … ‼ ⁇ — – ‐ ‑ ・ 、。「」 ¿ ¡ ` ´ ¨ ˜ ‾",
}

# Control characters, spaces, marks alone and in odd orders, marks of words and bytes in the text, private
# and unassigned places, long words, ligatures, letters that are two others, special tokens' names.
ODD = [
    "\u0000a\u0000", "a\u0000b", "\u0001\u0002a\u001f", "\u007f", "a\u0080b\u0085c\u009f",
    "\u0009a\u000bb\u000cc\u000d\u000ad",
    "a\u00a0b\u1680c\u2000d\u2003e\u2007f\u2009g\u200ah\u202fi\u205fj\u3000k",
    "a\u200bb\u200cc\u200dd\u2060e\ufefff", "a\u2028b\u2029c", "\u00adsoft\u00ad",
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069x",
    "e\u0301 e\u0302\u0301 e\u0301\u0302 a\u0323\u0302 a\u0302\u0323 q\u0323\u0307 \u0301a \u0301",
    "x\u0327\u0301\u0330", "▁", "▁a", "a▁", "a▁b", "a ▁ b", "▁▁a▁▁", " ▁", "▁ a", "the▁kiln▁",
    " ▁the ▁kiln▁ ", "\ue000a\uf8ff", "\U000f0000", "\U0010fffd", "\u0378\u05ff\u0e5f",
    "\ufffe\uffff", "\ufdd0a\ufdd1", "\U0001fffe", "�", "\ufeffthe kiln", "the\ufeff kiln",
    "x" * 300, "the" * 200, "ა" * 150, "a" + "\u0301" * 40, "ก" * 80, "▅", "⁇", "⁇", "a ⁇ b",
    "<s>x</s>", "<unk>", "[MASK]", "<0x41>", "A\ufe0e B\ufe0f", "\U000e0001\U000e0020", "ﬀﬁﬂﬃﬄﬅﬆ",
    "ŉ", "ſ", "ẛ\u0323", "ﷲ", "ﺀﺁ", "㈱", "㍻", "㋿", "ℌ", "K", "Å", "ǰ", "ΐ", "ﹰﹱ",
    "\u3164\uffa0\u115f\u1160", "\u180e", "\u034f\u17b4\u17b5", "\u0345ᾳ", "𝅗\U0001d165", "𝅗𝅥", "𝆹𝅥𝅯",
    "क\u093c", "क़", "གྷ\u0f71\u0f72", "⫝̸", "한\u0301", "가\u11a7", "\u1100\u1161\u11a7",
    "\u1100\u1161\u1161", "각\u11a8",
]


def hard_texts():
    draw = random.Random(SEED)
    whole = list(SCRIPTS.values())
    parts = [unicodedata.normalize("NFD", text) for text in whole]
    drawn = []
    words = [word for text in whole for word in text.split(" ") if word]
    between = [" ", "  ", "\t", "\u00a0", "\u200b", "\u3000", "", "▁", "\u0001", "\u00ad", "\u200d", "\ufeff",
               "\u0000", "\n"]
    for _ in range(150):
        chosen = [draw.choice(words) + draw.choice(between) for _ in range(draw.randint(1, 6))]
        drawn.append("".join(chosen))
    characters = sorted(set("".join(whole + parts))) + between
    for _ in range(150):
        drawn.append("".join(draw.choice(characters) for _ in range(draw.randint(1, 12))))
    return list(dict.fromkeys(whole + ODD + parts + drawn))
