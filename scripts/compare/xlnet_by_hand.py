"""XLNet's language model by hand, on the weights of transformers' XLNetLMHeadModel: the tuned loop.

Yang et al. 2019, sections 2.3 to 2.5. The class's results, without what it does for nothing:

    query stream    the class spreads it over all positions for attention and takes the predicted
                    ones of what comes out; here there are the predicted ones alone
    last layer      nobody reads what its content stream gives
    distances       the class makes their vectors at each step and projects them for each row; here
                    they are made once and projected once for each direction. So one dropout is
                    drawn for all rows, as Kiln does it, not one for each
    segments        the class multiplies with a one-hot of [queries, keys, batch, 2]; here they are
                    two more columns of query and key
    axes            the batch comes first and stays there

LayerNorm, feed-forward block, output projection, dropout and those vectors are the class's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SEGMENTS = 2
"""In a batch: each has a column."""

Batch = dict[str, Tensor]


@dataclass
class Queries:
    """What some queries of a stream are held against."""

    # Products with all rows of distances, [batch * heads, queries, rows], to those of each key.
    by_key: Callable[[Tensor], Tensor]
    # [batch, 1, queries, SEGMENTS], 1 in a query's own column.
    segments: Tensor
    # [batch, 1, queries, keys]
    is_hidden: Tensor


@dataclass
class Keys:
    """What both streams attend to, of one layer: [batch, heads, keys, size]."""

    # Behind a key's values, its columns of segments.
    key: Tensor
    value: Tensor
    # [directions, heads, size, rows]
    position: Tensor


def logits(
    model: torch.nn.Module, batch: Batch, memory: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """The vocabulary at the predicted positions, and the memory for the next batch.

    Memory has the class's layout: [mem_len, batch, d_model] of each layer.
    """
    stack = model.transformer
    content = stack.dropout(stack.word_embedding(batch["input_ids"]))
    rows, seq_len, _ = content.shape
    mem_len, count = len(memory[0]), batch["positions"].shape[1]
    of_content, of_targets = both_queries(batch, mem_len, stack.config.n_head)
    key_segments = columns(F.pad(batch["token_type_ids"], (mem_len, 0)))
    key_segments = key_segments.expand(-1, stack.config.n_head, -1, -1)
    targets = stack.dropout(stack.mask_emb.expand(rows, count, -1))
    distances = stack.dropout(distance_vectors(stack, seq_len, mem_len + seq_len))
    kept = []
    for number, layer in enumerate(stack.layer):
        attention, before = layer.rel_attn, memory[number].transpose(0, 1)
        kept.append(keep(stack, before, content))
        everything = torch.cat([before, content], 1)
        keys = Keys(
            torch.cat([project(everything, attention.k), key_segments], 3),
            project(everything, attention.v),
            project(distances, attention.r).transpose(2, 3),
        )
        targets = layer.ff(attend(attention, targets, keys, of_targets))
        if number + 1 < len(stack.layer):
            content = layer.ff(attend(attention, content, keys, of_content))
    return model.lm_loss(stack.dropout(targets).flatten(0, 1)), kept


def keep(stack: torch.nn.Module, before: Tensor, content: Tensor) -> Tensor:
    """What is remembered of a layer's content stream and of what was remembered before."""
    states = torch.cat([before, content.detach()[:, : stack.reuse_len]], 1)
    return states[:, -stack.mem_len :].transpose(0, 1)


@cache
def distance_vectors(stack: torch.nn.Module, queries: int, keys: int) -> Tensor:
    """[directions, rows, d_model]: row r stands for a query `keys` - r places behind its key."""
    directions = 2 if stack.bi_data else 1
    return stack.relative_positional_encoding(queries, keys, bsz=directions).transpose(0, 1)


def both_queries(batch: Batch, mem_len: int, heads: int) -> tuple[Queries, Queries]:
    """The content stream's queries, and those at the predicted positions."""
    seq_len = batch["input_ids"].shape[1]
    key_len = mem_len + seq_len
    segments = columns(batch["token_type_ids"])
    is_hidden = batch["query_ranks"][:, :, None] <= batch["key_ranks"][:, None, :]
    is_hidden = F.pad(is_hidden, (mem_len, 0)).unsqueeze(1)
    sees_itself = F.pad(torch.eye(seq_len, dtype=torch.bool), (mem_len, 0))

    def diagonals(products: Tensor) -> Tensor:
        """Row seq_len - i + j of each query i for key j, without a copy."""
        all_heads, queries, rows = products.shape
        strides = (queries * rows, rows - 1, 1)
        return products.as_strided((all_heads, queries, key_len), strides, seq_len)

    positions = batch["positions"][:, None, :, None]
    chosen = seq_len - positions + torch.arange(key_len)
    chosen = chosen.expand(-1, heads, -1, -1).flatten(0, 1)

    def at(values: Tensor) -> Tensor:
        return values.gather(2, positions.expand(-1, -1, -1, values.shape[3]))

    of_content = Queries(diagonals, segments, is_hidden & ~sees_itself)
    of_targets = Queries(lambda rows: rows.gather(2, chosen), at(segments), at(is_hidden))
    return of_content, of_targets


def columns(segments: Tensor) -> Tensor:
    """[batch, len] to [batch, 1, len, SEGMENTS], 1 in the segment's own column."""
    return F.one_hot(segments, SEGMENTS).float().unsqueeze(1)


def project(states: Tensor, weight: Tensor) -> Tensor:
    """[batch, len, d_model] with [d_model, heads, size] to [batch, heads, len, size]."""
    projected = F.linear(states, weight.flatten(1).t())
    return projected.unflatten(2, weight.shape[1:]).transpose(1, 2)


def attend(attention: torch.nn.Module, stream: Tensor, keys: Keys, queries: Queries) -> Tensor:
    """One stream through a layer's attention, residual and normalisation included."""

    def bias(vectors: Tensor) -> Tensor:
        return (vectors * attention.scale).unsqueeze(1)

    query = project(stream, attention.q) * attention.scale
    halves = (query + bias(attention.r_r_bias)).unflatten(0, (len(keys.position), -1))
    by_row = (halves @ keys.position.unsqueeze(1)).flatten(0, 2)
    # What is the same for all keys of a query changes no probability: the difference is enough.
    same, another = attention.seg_embed.unsqueeze(3)
    gain = (query + bias(attention.r_s_bias)) @ (same - another)
    content = torch.cat([query + bias(attention.r_w_bias), gain * queries.segments], 3)
    scores = torch.baddbmm(
        queries.by_key(by_row), content.flatten(0, 1), keys.key.flatten(0, 1).transpose(1, 2)
    )
    scores = scores.unflatten(0, query.shape[:2]).masked_fill(queries.is_hidden, -torch.inf)
    probabilities = attention.dropout(scores.softmax(3))
    return attention.post_attention(stream, (probabilities @ keys.value).transpose(1, 2))
