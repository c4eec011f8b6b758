#!/usr/bin/env python3
"""ELECTRA's pretraining written by hand on transformers' classes, to hold what Kiln's learns against.

Usage: scripts/experiments/electra_in_pytorch.py PAIR CORPUS [--output DIR] [flags]

PAIR is a folder with generator/ and discriminator/, as a run of Kiln leaves them: their configurations
and tokenizer are taken, and with --weights their weights too (to begin where a run of one step at rate 0
stands). Text is cut into full sequences, a blank line between documents; the last hundredth is
held out. Prints the losses and the discriminator's area under the curve on the held-out text.
"""

import argparse
import random
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, help="where both models are written at the end")
    parser.add_argument("--weights", action="store_true", help="begin with the pair's weights")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--discriminator-weight", type=float, default=50.0)
    parser.add_argument("--mask-rate", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=400)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.pair / "discriminator")
    sequences = sequences_of(options.corpus, tokenizer, options.seq_len)
    held_out = max(64, len(sequences) // 100)
    training, evaluation = sequences[:-held_out], sequences[-held_out:]
    pair = Pair(options)
    parameters = list({id(p): p for p in pair.parameters()}.values())
    decayed = [p for p in parameters if p.dim() > 1]
    rest = [p for p in parameters if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.lr, eps=1e-6)
    warmup = options.steps // 10
    begin = time.monotonic()
    order = random.Random(options.seed)
    for step in range(options.steps):
        # The original's schedule: a line to zero, multiplied by the warm-up.
        rate = options.lr * (1 - step / options.steps) * min(1.0, step / max(1, warmup))
        for group in optimizer.param_groups:
            group["lr"] = rate
        picked = order.sample(range(len(training)), options.batch_size)
        generator_loss, discriminator_loss, _, _ = pair(training[picked], tokenizer)
        loss = generator_loss + options.discriminator_weight * discriminator_loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if (step + 1) % options.every == 0 or step + 1 == options.steps:
            report(step + 1, pair, evaluation, tokenizer, options, time.monotonic() - begin)
    if options.output:
        for name in ("generator", "discriminator"):
            getattr(pair, name).save_pretrained(options.output / name)
            tokenizer.save_pretrained(options.output / name)


class Pair(torch.nn.Module):
    """Generator and discriminator over one embedding block."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.mask_rate = options.mask_rate
        self.generator = opened(ElectraForMaskedLM, options.pair / "generator", options.weights)
        self.discriminator = opened(
            ElectraForPreTraining, options.pair / "discriminator", options.weights
        )
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.tie_weights()

    def forward(self, ids: Tensor, tokenizer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both losses, the discriminator's logits and labels, `[batch, seq_len]`."""
        special = (ids == tokenizer.cls_token_id) | (ids == tokenizer.sep_token_id)
        count = max(1, int(self.mask_rate * ids.shape[1] + 0.5))
        scores = torch.rand(ids.shape).masked_fill(special, -1.0)
        rows = torch.arange(ids.shape[0]).unsqueeze(1)
        chosen = scores.topk(count, dim=1).indices
        truth = ids[rows, chosen]
        hidden = torch.where(torch.rand(truth.shape) < 0.85, tokenizer.mask_token_id, truth)
        masked = ids.clone()
        masked[rows, chosen] = hidden
        states = self.generator.electra(input_ids=masked).last_hidden_state[rows, chosen]
        predictions = self.generator.generator_predictions(states)
        logits = self.generator.generator_lm_head(predictions)
        generator_loss = functional.cross_entropy(logits.flatten(0, 1), truth.flatten())
        with torch.no_grad():
            noise = -torch.log(-torch.log(torch.rand(logits.shape).clamp(1e-9, 1 - 1e-7)))
            sampled = (logits + noise).argmax(-1)
        corrupted = ids.clone()
        corrupted[rows, chosen] = sampled
        labels = (corrupted != ids).float()
        said = self.discriminator(input_ids=corrupted).logits
        loss = functional.binary_cross_entropy_with_logits(said, labels)
        return generator_loss, loss, said.detach(), labels


def opened(model_class: type, folder: Path, weights: bool) -> torch.nn.Module:
    if weights:
        model = model_class.from_pretrained(folder)
    else:
        model = model_class(ElectraConfig.from_pretrained(folder))
    return model.train()


def sequences_of(corpus: list[Path], tokenizer, seq_len: int) -> Tensor:
    """All text as `[sequences, seq_len]`: full sequences, documents one after another."""
    inner = seq_len - 2
    ids: list[int] = []
    for path in corpus:
        for document in path.read_text(encoding="utf-8").split("\n\n"):
            ids += tokenizer(document, add_special_tokens=False)["input_ids"]
            ids.append(tokenizer.sep_token_id)
    body = torch.tensor(ids[: len(ids) // inner * inner]).view(-1, inner)
    first = torch.full((len(body), 1), tokenizer.cls_token_id)
    last = torch.full((len(body), 1), tokenizer.sep_token_id)
    return torch.cat([first, body, last], dim=1)


@torch.no_grad()
def report(step: int, pair: Pair, sequences: Tensor, tokenizer, options, seconds: float) -> None:
    pair.eval()
    losses, said, labels = [], [], []
    for batch in sequences.split(options.batch_size):
        generator, discriminator, logits, truth = pair(batch, tokenizer)
        losses.append((generator.item(), discriminator.item()))
        said.append(logits.flatten())
        labels.append(truth.flatten())
    pair.train()
    generator, discriminator = (sum(column) / len(losses) for column in zip(*losses, strict=True))
    area = area_under_curve(torch.cat(said), torch.cat(labels))
    print(
        f"step {step}: generator_loss {generator:.4f} discriminator_loss {discriminator:.4f} "
        f"auc {area:.4f} after {seconds:.0f} s",
        flush=True,
    )


def area_under_curve(logits: Tensor, labels: Tensor) -> float:
    """The share of pairs of a replaced and an original token that stand in the right order."""
    ranks = logits.argsort().argsort().double() + 1
    positive = labels.bool()
    count, others = positive.sum().item(), (~positive).sum().item()
    return (ranks[positive].sum().item() - count * (count + 1) / 2) / (count * others)


if __name__ == "__main__":
    main()
