"""The other side of scripts/compare_pytorch.py: one piece of work in PyTorch and transformers.

Run in a process of its own, as Kiln's side is. Prints one line of JSON: the seconds of each timed
repetition, and the losses or the number of tokens where there are any.

    train-stock   transformers' BertForPreTraining and torch's AdamW as they stand: the vocabulary is
                  scored at all positions
    train-tuned   a loop by hand: predicted positions gathered first, one fused kernel for AdamW
    electra-stock transformers' ElectraForMaskedLM, ElectraForPreTraining and torch's AdamW as they
                  stand: the vocabulary is scored at all positions
    electra-tuned a loop by hand: predicted positions gathered first, one fused kernel for AdamW,
                  tokens sampled by one random number each
    deberta-stock transformers' DebertaV2ForMaskedLM and torch's AdamW as they stand: the vocabulary
                  is scored at all positions
    deberta-tuned a loop by hand: predicted positions gathered first, one fused kernel for AdamW
    deberta-inference, deberta-encoder
                  DebertaV2 forward, with its head at the predicted positions, and without
    xlnet-stock   transformers' XLNetLMHeadModel and torch's AdamW as they stand, memory handed on
                  from step to step
    xlnet-tuned   a loop by hand on the same weights (xlnet_by_hand.py), one fused kernel for AdamW
    xlnet-inference, xlnet-inference-tuned
                  the two forward with a memory, with the head at the predicted positions
    xlnet-encoder XLNetModel forward: the content stream alone, without memory
    inference     forward with both heads at the predicted positions
    encoder       forward without heads
    prepare       text files to token ids on disk, with `datasets` and a fast tokenizer
    batches       the data collator on rows read from a data set
    collator      the data collator on rows that lie ready
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import xlnet_by_hand
from torch import Tensor

# The shapes, words and settings of the benches' module `work`, and the learner's defaults.
BATCH, SEQ_LEN, PREDICTIONS, VOCAB, FIRST_WORD = 16, 128, 20, 30_522, 1_000
ELECTRA_PREDICTIONS, GENERATOR_WEIGHT, DISCRIMINATOR_WEIGHT = 19, 1.0, 50.0
XLNET_PREDICTIONS = 21
LEARNING_RATE, WARMUP_STEPS, WEIGHT_DECAY, EPSILON, CLIP_NORM = 1e-4, 100, 0.01, 1e-6, 1.0


def places_of(index: int) -> np.ndarray:
    """The number of every place in batch `index`, counted through all batches."""
    places = np.arange(BATCH * SEQ_LEN, dtype=np.uint64) + index * BATCH * SEQ_LEN
    return places.reshape(BATCH, SEQ_LEN)


def scatter(places: np.ndarray, salt: int) -> np.ndarray:
    """Knuth's multiplicative hash of the places, its upper bits."""
    return (2 * places + salt + 1) * 2_654_435_761 % 2**32 >> 8


def random_word(places: np.ndarray, salt: int) -> np.ndarray:
    """The words that Kiln's side draws at these places."""
    return (FIRST_WORD + scatter(places, salt) % (VOCAB - FIRST_WORD)).astype(np.int64)


def random_batch(index: int, predictions: int = PREDICTIONS) -> dict[str, Tensor]:
    """Batch `index`, with the labels of the predicted positions by themselves."""
    places = places_of(index)
    positions = np.broadcast_to(3 + 6 * np.arange(predictions), (BATCH, predictions)).copy()
    segments = (np.arange(SEQ_LEN) >= SEQ_LEN // 2).astype(np.int64)
    arrays = {
        "input_ids": random_word(places, 0),
        "attention_mask": np.ones((BATCH, SEQ_LEN), dtype=np.int64),
        "token_type_ids": np.broadcast_to(segments, (BATCH, SEQ_LEN)).copy(),
        "positions": positions,
        "predicted": random_word(np.take_along_axis(places, positions, axis=1), 1),
        "next_sentence_label": np.arange(BATCH) % 2,
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def open_model(folder: Path, train: bool) -> torch.nn.Module:
    from transformers import BertForPreTraining

    model = BertForPreTraining.from_pretrained(folder, attn_implementation="sdpa")
    return model.train(train)


def time_each(arguments: argparse.Namespace, repetition: Callable[[int], None]) -> list[float]:
    """Seconds of each repetition after the warm-up."""
    seconds = []
    for index in range(arguments.warmup + arguments.steps):
        started = time.perf_counter()
        repetition(index)
        seconds.append(time.perf_counter() - started)
    return seconds[arguments.warmup :]


# --- the model -------------------------------------------------------------------------------


def encode(model: torch.nn.Module, batch: dict[str, Tensor]):
    return model.bert(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        token_type_ids=batch["token_type_ids"],
    )


def gather(hidden: Tensor, positions: Tensor) -> Tensor:
    """Hidden states at the predicted positions, `[batch * num_predictions, hidden_size]`."""
    rows = positions + SEQ_LEN * torch.arange(BATCH).unsqueeze(1)
    return hidden.reshape(-1, hidden.shape[-1]).index_select(0, rows.flatten())


def gathered_logits(model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Vocabulary logits at the predicted positions, and next sentence logits."""
    encoded = encode(model, batch)
    chosen = gather(encoded.last_hidden_state, batch["positions"])
    return model.cls.predictions(chosen), model.cls.seq_relationship(encoded.pooler_output)


def gathered_loss(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    predictions, pairs = gathered_logits(model, batch)
    words = F.cross_entropy(predictions, batch["predicted"].flatten())
    return words + F.cross_entropy(pairs, batch["next_sentence_label"])


def spread_labels(batch: dict[str, Tensor]) -> Tensor:
    """Labels of all positions, as transformers wants them: -100 where nothing is predicted."""
    labels = torch.full((BATCH, SEQ_LEN), -100)
    return labels.scatter_(1, batch["positions"], batch["predicted"])


def stock_loss(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        token_type_ids=batch["token_type_ids"],
        labels=spread_labels(batch),
        next_sentence_label=batch["next_sentence_label"],
    ).loss


def decays(name: str) -> bool:
    """Whether weight decay pulls at a parameter: not at norms and biases, XLNet's vectors that are
    added to queries excepted."""
    if "LayerNorm" in name or "layer_norm" in name:
        return False
    return not name.endswith("bias") or name.endswith(("r_w_bias", "r_r_bias", "r_s_bias"))


def train(
    arguments: argparse.Namespace,
    model: torch.nn.Module,
    batch_of: Callable[[int], dict[str, Tensor]],
    loss_of: Callable[[torch.nn.Module, dict[str, Tensor]], Tensor],
    fused: bool,
) -> dict:
    torch.manual_seed(1)
    named = dict(model.named_parameters())
    decay = [parameter for name, parameter in named.items() if decays(name)]
    no_decay = [parameter for name, parameter in named.items() if not decays(name)]
    groups = [
        {"params": decay, "weight_decay": WEIGHT_DECAY},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=EPSILON, fused=fused or None)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS)
    )
    losses = []

    def step(index: int) -> None:
        batch = batch_of(index)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())

    return {"seconds": time_each(arguments, step), "losses": losses}


def train_bert(arguments: argparse.Namespace, loss_of: Callable, fused: bool) -> dict:
    return train(arguments, open_model(arguments.model, train=True), random_batch, loss_of, fused)


def infer(arguments: argparse.Namespace, heads: bool) -> dict:
    model = open_model(arguments.model, train=False)
    batch = random_batch(0)

    def forward(_: int) -> None:
        if heads:
            gathered_logits(model, batch)[0][0, 0].item()
        else:
            encode(model, batch).last_hidden_state[0, 0, 0].item()

    with torch.inference_mode():
        seconds = time_each(arguments, forward)
        return {"seconds": seconds, "losses": [gathered_loss(model, batch).item()]}


# --- ELECTRA ---------------------------------------------------------------------------------


class Electra(torch.nn.Module):
    """A generator and a discriminator with one block of embeddings."""

    def __init__(self, folder: Path):
        super().__init__()
        from transformers import ElectraForMaskedLM, ElectraForPreTraining

        self.generator = open_whole(ElectraForMaskedLM, folder / "generator")
        self.discriminator = open_whole(ElectraForPreTraining, folder / "discriminator")
        shared = self.discriminator.electra.embeddings
        own = self.generator.electra.embeddings.state_dict()
        if not all(torch.equal(own[name], value) for name, value in shared.state_dict().items()):
            raise SystemExit(f"{folder}: generator and discriminator differ in their embeddings")
        self.generator.electra.embeddings = shared
        self.generator.generator_lm_head.weight = shared.word_embeddings.weight


def open_whole(kind: type, folder: Path, attention: str | None = "sdpa") -> torch.nn.Module:
    """A model of which every weight was in the folder, and nothing else."""
    model, report = kind.from_pretrained(
        folder, attn_implementation=attention, output_loading_info=True
    )
    wrong = {name: sorted(keys) for name, keys in report.items() if keys}
    if wrong:
        raise SystemExit(f"{folder}: does not fit {kind.__name__}: {wrong}")
    return model.train()


def electra_batch(index: int) -> dict[str, Tensor]:
    """Batch `index`: `input_ids` are the masked ids, `predicted` the original ones there."""
    return random_batch(index, ELECTRA_PREDICTIONS)


def gathered_electra_loss(model: Electra, batch: dict[str, Tensor]) -> Tensor:
    """The vocabulary at the predicted positions alone."""
    context = {name: batch[name] for name in ("attention_mask", "token_type_ids")}
    generator, positions = model.generator, batch["positions"]
    hidden = generator.electra(input_ids=batch["input_ids"], **context).last_hidden_state
    predictions = generator.generator_predictions(gather(hidden, positions))
    logits = generator.generator_lm_head(predictions)
    words = F.cross_entropy(logits, batch["predicted"].flatten())

    sampled = invert(logits.detach()).view_as(positions)
    # The sampled tokens take all the masked places: what is left is the original text.
    corrupted = batch["input_ids"].scatter(1, positions, sampled)
    replaced = (sampled != batch["predicted"]).to(logits.dtype)
    labels = torch.zeros(BATCH, SEQ_LEN).scatter_(1, positions, replaced)
    scores = model.discriminator(input_ids=corrupted, **context).logits
    tokens = F.binary_cross_entropy_with_logits(scores, labels)
    return GENERATOR_WEIGHT * words + DISCRIMINATOR_WEIGHT * tokens


def stock_electra_loss(model: Electra, batch: dict[str, Tensor]) -> Tensor:
    """Both models with labels, as they stand."""
    context = {name: batch[name] for name in ("attention_mask", "token_type_ids")}
    labels = spread_labels(batch)
    generated = model.generator(input_ids=batch["input_ids"], labels=labels, **context)

    chosen = labels != -100
    sampled = gumbel(generated.logits[chosen].detach())
    corrupted = batch["input_ids"].clone()
    corrupted[chosen] = sampled
    replaced = torch.zeros_like(labels)
    replaced[chosen] = (sampled != labels[chosen]).long()
    judged = model.discriminator(input_ids=corrupted, labels=replaced, **context)
    return GENERATOR_WEIGHT * generated.loss + DISCRIMINATOR_WEIGHT * judged.loss


def gumbel(logits: Tensor) -> Tensor:
    """A token a row from softmax(logits), as most implementations of ELECTRA draw it."""
    uniform = torch.rand_like(logits).clamp_(min=1e-9)
    return (logits - torch.log(-torch.log(uniform))).argmax(dim=-1)


def invert(logits: Tensor) -> Tensor:
    """The same in distribution, with one random number a row instead of one a word.

    On two cores that took less time than Gumbel noise made in place, or than torch.multinomial.
    """
    sums = logits.softmax(dim=-1).cumsum(dim=-1)
    drawn = torch.rand(len(sums), 1) * sums[:, -1:]
    # Rounding can lift the product to the whole sum.
    return torch.searchsorted(sums, drawn, right=True).clamp_(max=sums.shape[1] - 1)


def train_electra(arguments: argparse.Namespace, loss_of: Callable, fused: bool) -> dict:
    return train(arguments, Electra(arguments.model), electra_batch, loss_of, fused)


# --- DeBERTa ---------------------------------------------------------------------------------


def open_deberta(folder: Path, train: bool) -> torch.nn.Module:
    from transformers import DebertaV2ForMaskedLM

    return open_whole(DebertaV2ForMaskedLM, folder, attention=None).train(train)


def encode_deberta(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    return model.deberta(**inputs).last_hidden_state


def gathered_deberta_logits(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Vocabulary logits at the predicted positions alone."""
    chosen = gather(encode_deberta(model, batch), batch["positions"])
    return model.lm_predictions(chosen, model.deberta.embeddings.word_embeddings)


def gathered_deberta_loss(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return F.cross_entropy(gathered_deberta_logits(model, batch), batch["predicted"].flatten())


def stock_deberta_loss(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    return model(**inputs, labels=spread_labels(batch)).loss


def train_deberta(arguments: argparse.Namespace, loss_of: Callable, fused: bool) -> dict:
    model = open_deberta(arguments.model, train=True)
    return train(arguments, model, random_batch, loss_of, fused)


def infer_deberta(arguments: argparse.Namespace, head: bool) -> dict:
    model = open_deberta(arguments.model, train=False)
    batch = random_batch(0)

    def forward(_: int) -> None:
        if head:
            gathered_deberta_logits(model, batch)[0, 0].item()
        else:
            encode_deberta(model, batch)[0, 0, 0].item()

    with torch.inference_mode():
        seconds = time_each(arguments, forward)
        return {"seconds": seconds, "losses": [gathered_deberta_loss(model, batch).item()]}


# --- XLNet -----------------------------------------------------------------------------------

Memory = list[Tensor]
"""Hidden states of the batches before, [mem_len, batch, d_model] for each layer."""

XlnetLogits = Callable[[torch.nn.Module, dict[str, Tensor], Memory], tuple[Tensor, Memory]]
"""Vocabulary logits at the predicted positions, and the memory for the next batch."""


def open_xlnet(folder: Path, train: bool) -> torch.nn.Module:
    from transformers import XLNetLMHeadModel

    return open_whole(XLNetLMHeadModel, folder, attention=None).train(train)


def xlnet_batch(index: int) -> dict[str, Tensor]:
    """Batch `index` with an order of prediction for each row: query i may not see key j where
    query_ranks[i] <= key_ranks[j]. What is not predicted is seen by all, and sees only its like."""
    batch = random_batch(index, XLNET_PREDICTIONS)
    ranks = scatter(places_of(index), 1).argsort(axis=1, kind="stable").argsort(axis=1)
    ranks = torch.from_numpy(ranks)
    is_predicted = torch.zeros(BATCH, SEQ_LEN, dtype=torch.bool)
    is_predicted.scatter_(1, batch["positions"], True)
    batch["query_ranks"] = torch.where(is_predicted, ranks, 0)
    batch["key_ranks"] = torch.where(is_predicted, ranks, -1)
    return batch


def first_memory(model: torch.nn.Module) -> Memory:
    """What a run begins with, and Kiln's too: zeros, which are attended to like any other."""
    config = model.config
    return [torch.zeros(config.mem_len, BATCH, config.d_model) for _ in range(config.n_layer)]


def stock_xlnet_logits(
    model: torch.nn.Module, batch: dict[str, Tensor], memory: Memory
) -> tuple[Tensor, Memory]:
    is_hidden = batch["query_ranks"][:, :, None] <= batch["key_ranks"][:, None, :]
    outputs = model(
        input_ids=batch["input_ids"],
        token_type_ids=batch["token_type_ids"],
        perm_mask=is_hidden.float(),
        target_mapping=F.one_hot(batch["positions"], SEQ_LEN).float(),
        mems=memory,
        use_mems=True,
    )
    return outputs.logits.flatten(0, 1), outputs.mems


def train_xlnet(arguments: argparse.Namespace, logits_of: XlnetLogits, fused: bool) -> dict:
    model = open_xlnet(arguments.model, train=True)
    memory = first_memory(model)

    def loss_of(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
        nonlocal memory
        logits, memory = logits_of(model, batch, memory)
        return F.cross_entropy(logits, batch["predicted"].flatten())

    return train(arguments, model, xlnet_batch, loss_of, fused)


def infer_xlnet(arguments: argparse.Namespace, logits_of: XlnetLogits) -> dict:
    model = open_xlnet(arguments.model, train=False)
    batch = xlnet_batch(0)
    with torch.inference_mode():
        # What the batch itself left, read once before.
        _, memory = logits_of(model, batch, first_memory(model))
        seconds = time_each(arguments, lambda _: logits_of(model, batch, memory)[0][0, 0].item())
        logits, _ = logits_of(model, batch, memory)
        return {
            "seconds": seconds,
            "losses": [F.cross_entropy(logits, batch["predicted"].flatten()).item()],
        }


def encode_xlnet(arguments: argparse.Namespace) -> dict:
    model = open_xlnet(arguments.model, train=False)
    batch = random_batch(0, XLNET_PREDICTIONS)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}

    def encode() -> Tensor:
        return model.transformer(**inputs, use_mems=False).last_hidden_state

    with torch.inference_mode():
        seconds = time_each(arguments, lambda _: encode()[0, 0, 0].item())
        logits = model.lm_loss(gather(encode(), batch["positions"]))
        return {
            "seconds": seconds,
            "losses": [F.cross_entropy(logits, batch["predicted"].flatten()).item()],
        }


# --- text ------------------------------------------------------------------------------------


def open_tokenizer(arguments: argparse.Namespace):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(arguments.tokenizer)


def tokenise(arguments: argparse.Namespace, tokenizer, cache: Path):
    """Text files to a data set of ids, kept on disk in `cache`; no columns but the ids."""
    import datasets

    datasets.disable_progress_bars()

    def encode_lines(rows: dict) -> dict:
        encoded = tokenizer(
            rows["text"],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return {"input_ids": encoded["input_ids"]}

    files = [str(path) for path in arguments.corpus]
    texts = datasets.load_dataset("text", data_files=files, split="train", cache_dir=str(cache))
    return texts.map(
        encode_lines,
        batched=True,
        remove_columns=["text"],
        num_proc=arguments.processes if arguments.processes > 1 else None,
    )


def prepare(arguments: argparse.Namespace) -> dict:
    tokenizer = open_tokenizer(arguments)
    tokens = 0

    def run(index: int) -> None:
        nonlocal tokens
        ids = tokenise(arguments, tokenizer, arguments.output / str(index))
        tokens = len(ids.data.column("input_ids").combine_chunks().flatten())

    seconds = time_each(arguments, run)
    return {"seconds": seconds, "tokens": tokens}


def batches(arguments: argparse.Namespace, ready: bool) -> dict:
    import datasets
    from transformers import DataCollatorForLanguageModeling

    tokenizer = open_tokenizer(arguments)
    lines = tokenise(arguments, tokenizer, arguments.output)
    stream = lines.data.column("input_ids").combine_chunks().flatten().to_numpy()
    body = SEQ_LEN - 2
    rows = stream[: len(stream) // body * body].reshape(-1, body)
    ends = np.ones((len(rows), 1), dtype=rows.dtype)
    rows = np.hstack([ends * tokenizer.cls_token_id, rows, ends * tokenizer.sep_token_id])
    special = np.zeros_like(rows)
    special[:, [0, -1]] = 1
    columns = {"input_ids": list(rows), "special_tokens_mask": list(special)}
    examples = datasets.Dataset.from_dict(columns)

    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    order = np.random.default_rng(1).permutation(len(examples))
    held = [examples[int(row)] for row in order[:1_024]] if ready else []

    def build(index: int) -> None:
        chosen = np.arange(index * BATCH, (index + 1) * BATCH)
        if ready:
            collator([held[row % len(held)] for row in chosen])
        else:
            # What torch's DataLoader calls for a batch.
            collator(examples.__getitems__([int(order[row % len(order)]) for row in chosen]))

    return {"seconds": time_each(arguments, build)}


WORK: dict[str, Callable[[argparse.Namespace], dict]] = {
    "train-stock": lambda arguments: train_bert(arguments, stock_loss, fused=False),
    "train-tuned": lambda arguments: train_bert(arguments, gathered_loss, fused=True),
    "deberta-stock": lambda arguments: train_deberta(arguments, stock_deberta_loss, fused=False),
    "deberta-tuned": lambda arguments: train_deberta(arguments, gathered_deberta_loss, fused=True),
    "deberta-inference": lambda arguments: infer_deberta(arguments, head=True),
    "deberta-encoder": lambda arguments: infer_deberta(arguments, head=False),
    "electra-stock": lambda arguments: train_electra(arguments, stock_electra_loss, fused=False),
    "electra-tuned": lambda arguments: train_electra(arguments, gathered_electra_loss, fused=True),
    "xlnet-stock": lambda arguments: train_xlnet(arguments, stock_xlnet_logits, fused=False),
    "xlnet-tuned": lambda arguments: train_xlnet(arguments, xlnet_by_hand.logits, fused=True),
    "xlnet-inference": lambda arguments: infer_xlnet(arguments, stock_xlnet_logits),
    "xlnet-inference-tuned": lambda arguments: infer_xlnet(arguments, xlnet_by_hand.logits),
    "xlnet-encoder": encode_xlnet,
    "inference": lambda arguments: infer(arguments, heads=True),
    "encoder": lambda arguments: infer(arguments, heads=False),
    "prepare": prepare,
    "batches": lambda arguments: batches(arguments, ready=False),
    "collator": lambda arguments: batches(arguments, ready=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="One timed piece of work in PyTorch.")
    parser.add_argument("--work", choices=WORK, required=True)
    parser.add_argument("--steps", type=int, default=10, help="timed repetitions")
    parser.add_argument("--warmup", type=int, default=3, help="repetitions before, not reported")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--processes", type=int, default=1, help="processes of `datasets`")
    parser.add_argument(
        "--model",
        type=Path,
        help="the Hugging Face folder to start from; ELECTRA: of generator/ and discriminator/",
    )
    parser.add_argument("--corpus", type=Path, action="append", help="a text file")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer's folder")
    parser.add_argument("--output", type=Path, help="a folder to write to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = WORK[arguments.work](arguments)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
