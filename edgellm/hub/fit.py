"""Whether a model fits this machine, and how fast it would write: arithmetic only.

Memory = weights + KV cache + buffers, the same parts llama.cpp allocates, plus the process around it. The constants are
measured (`python -m benchmarks.fit_accuracy` compares prediction and a real worker).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from edgellm.errors import InvalidInput
from edgellm.gguf_header import GGUFHeader
from edgellm.hub.cards import CardFile, ModelCard
from edgellm.hub.hardware import Hardware
from edgellm.hub.quantization import BITS_PER_WEIGHT, preference
from edgellm.sizes import size

KVType = Literal["f16", "q8_0"]
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}
"""Bytes for one number in the KV cache."""

USUAL_QUANTIZATIONS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M")
"""What a repository most likely has when a card names no files."""
UNKNOWN_BITS = 16.0
STATES = 12
"""Sequences an engine holds of a model with recurrent states."""
SEQUENCES = 36
"""Sequences an engine holds: running and parked ones."""
BATCH_TOKENS = 512
PROCESS_BYTES = 56 * 1024**2
"""A worker before it opens a model: Python, llama.cpp and its libraries."""
TOKEN_BYTES = 384
"""What llama.cpp keeps for one vocabulary entry: text, score, merges, look-up tables."""
TIGHT_SHARE = 0.8
"""Above this share of the available memory the verdict is tight."""
BANDWIDTH_SHARE = 0.75
"""Share of the measured bandwidth that decoding reaches when nothing else holds it up."""
CORE_BYTES_PER_S = 5e9
"""Quantized weights that one CPU core multiplies in a second; few cores are slower than the memory."""
ENCODERS = frozenset(
    {
        *(
            "bert",
            "modern-bert",
            "nomic-bert",
            "nomic-bert-moe",
            "neo-bert",
            "eurobert",
            "jina-bert-v2",
            "jina-bert-v3",
        ),
        *("gemma-embedding", "t5encoder"),
    }
)
"""llama.cpp's names of architectures that only turn text into vectors; other files say so themselves."""


class Verdict(StrEnum):
    """How a model and a machine go together."""

    FITS = "fits"
    TIGHT = "tight"
    """It would run, but little memory is left for anything else."""
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The sizes of a model that decide about memory and speed."""

    weights_bytes: int
    read_bytes_per_token: int
    """Weights that decoding one token touches; less than all for mixtures of experts."""
    kv_values_per_token: int = 0
    """Numbers the KV cache holds for one position, over all layers."""
    vocabulary: int = 0
    embedding: int = 0
    feed_forward: int = 0
    trained_context_tokens: int = 0
    """0 when the file does not say."""
    state_bytes_per_sequence: int = 0
    """Recurrent state of state-space layers."""
    is_embedder: bool = False
    """Whether it turns text into vectors instead of writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What running a model with a given context would take."""

    verdict: Verdict
    reason: str
    """The numbers in a sentence, and what was cut or not counted."""
    weights_bytes: int
    kv_bytes: int
    buffers_bytes: int
    """Outputs, activations, vocabulary and the process itself."""
    total_bytes: int
    available_bytes: int
    context_tokens: int
    decode_tokens_per_s: float | None
    """Predicted from the memory bandwidth; None when that was not measured."""
    quantization: str | None = None
    """Which file of a card this is about."""
    is_embedder: bool = False
    """Whether the model turns text into vectors instead of writing."""


def kv_bytes(shape: ModelShape, context_tokens: int, kv_type: KVType) -> int:
    """Size of the KV cache and recurrent states. Cells come in blocks of 256, shared by all sequences.

    Sliding windows do not shrink it: cells of shared prefixes must stay complete.
    """
    cells = -(-context_tokens // 256) * 256
    return int(cells * shape.kv_values_per_token * KV_BYTES[kv_type]) + STATES * shape.state_bytes_per_sequence


def buffers_bytes(shape: ModelShape, context_tokens: int) -> int:
    """Everything beside weights and KV cache that a worker touches."""
    batch = context_tokens if shape.is_embedder else BATCH_TOKENS  # an embedder reads a text in one piece
    logits = SEQUENCES * shape.vocabulary * 4
    activations = batch * (3 * shape.embedding + 2 * shape.feed_forward) * 4
    attention_mask = batch * context_tokens * 2
    return PROCESS_BYTES + shape.vocabulary * TOKEN_BYTES + logits + activations + attention_mask


def fit(shape: ModelShape, hardware: Hardware, context_tokens: int, kv_type: KVType = "f16") -> Fit:
    """Compare what the model needs with what is available; a context beyond what it was trained for is cut to that."""
    asked_tokens, context_tokens = context_tokens, min(context_tokens, shape.trained_context_tokens or context_tokens)
    cut = f" {asked_tokens:,} tokens are beyond what it was trained for." if context_tokens < asked_tokens else ""
    kv = kv_bytes(shape, context_tokens, kv_type)
    buffers = buffers_bytes(shape, context_tokens)
    total = shape.weights_bytes + kv + buffers
    available = hardware.available_bytes
    verdict = _verdict(total, available)
    parts = f"{size(shape.weights_bytes)} weights, {size(kv)} KV cache for {context_tokens:,} tokens"
    return Fit(
        verdict=verdict,
        reason=f"{_WORDS[verdict]}: needs {size(total)} ({parts}, {size(buffers)} buffers) "
        f"of {size(available)} available.{cut}",
        weights_bytes=shape.weights_bytes,
        kv_bytes=kv,
        buffers_bytes=buffers,
        total_bytes=total,
        available_bytes=available,
        context_tokens=context_tokens,
        decode_tokens_per_s=decode_tokens_per_s(shape, hardware),
        is_embedder=shape.is_embedder,
    )


def fit_card(card: ModelCard, hardware: Hardware, context_tokens: int, kv_type: KVType = "f16") -> Fit:
    """The best quantization of a card that fits, or else the one that comes nearest to fitting.

    Raises: InvalidInput when the card states neither files with sizes nor parameters.
    """
    files = card.files or tuple(CardFile(quantization=name, file="") for name in USUAL_QUANTIZATIONS)
    fits = [fit(shape_from_card(card, file), hardware, context_tokens, kv_type) for file in files]
    chosen = best([replace(one, quantization=file.quantization) for one, file in zip(fits, files, strict=True)])
    if card.shape is None and card.kind == "chat":
        return replace(chosen, reason=f"{chosen.reason} The KV cache is not counted: the card does not state its size.")
    return chosen


def best(fits: Sequence[Fit]) -> Fit:
    """The preferred quantization among those with the best verdict; the smallest when none fits."""
    ranked = sorted(fits, key=lambda one: (_RANK[one.verdict], preference(one.quantization), one.total_bytes))
    if ranked[0].verdict is Verdict.NO:
        return min(fits, key=lambda one: one.total_bytes)
    return ranked[0]


def shape_from_card(card: ModelCard, file: CardFile) -> ModelShape:
    """The sizes a card states, before anything is fetched. Raises: InvalidInput when the weights' size is unknown."""
    if file.size_bytes is None and card.parameters is None:
        raise InvalidInput(f"Card {card.id!r} states no size to calculate with.", field="parameters")
    bits = BITS_PER_WEIGHT.get(file.quantization, UNKNOWN_BITS)
    weights = file.size_bytes or int((card.parameters or 0) * bits / 8)
    shape = card.shape
    return ModelShape(
        weights_bytes=weights,
        read_bytes_per_token=weights,
        kv_values_per_token=2 * shape.layers * shape.kv_heads * shape.head_dim if shape else 0,
        vocabulary=(shape.vocabulary or 0) if shape else 0,
        embedding=shape.embedding if shape else 0,
        feed_forward=shape.feed_forward if shape else 0,
        trained_context_tokens=card.context_tokens or 0,
        is_embedder=card.kind == "embedder",
    )


_RANK = {Verdict.FITS: 0, Verdict.TIGHT: 1, Verdict.NO: 2}
_WORDS = {Verdict.FITS: "Fits", Verdict.TIGHT: "Tight", Verdict.NO: "Does not fit"}


def _verdict(total_bytes: int, available_bytes: int) -> Verdict:
    if total_bytes > available_bytes:
        return Verdict.NO
    return Verdict.TIGHT if total_bytes > TIGHT_SHARE * available_bytes else Verdict.FITS


def decode_tokens_per_s(shape: ModelShape, hardware: Hardware) -> float | None:
    """Decoding reads the weights once a token: memory bounds it, or the cores where they are few.

    Returns: None when the bandwidth was not measured, or is that of another memory than the GPU's.
    """
    if hardware.bandwidth_bytes_per_s is None or hardware.compute == "cuda":
        return None
    bytes_per_s = BANDWIDTH_SHARE * hardware.bandwidth_bytes_per_s
    if hardware.compute == "cpu":
        bytes_per_s = min(bytes_per_s, hardware.usable_cores * CORE_BYTES_PER_S)
    return bytes_per_s / shape.read_bytes_per_token


def shape_from_header(header: GGUFHeader) -> ModelShape:
    """The sizes of the model in a file; what the header does not say counts as 0."""
    architecture = header.architecture

    def number(key: str, default: int = 0) -> int:
        value = header.integer(f"{architecture}.{key}")
        return default if value is None else value

    return ModelShape(
        weights_bytes=header.weights_bytes,
        read_bytes_per_token=_read_bytes_per_token(header, number("expert_used_count"), number("expert_count")),
        kv_values_per_token=_kv_values_per_token(header, number),
        vocabulary=header.count("tokenizer.ggml.tokens") or number("vocab_size"),
        embedding=number("embedding_length"),
        feed_forward=_largest(header, f"{architecture}.feed_forward_length"),
        trained_context_tokens=number("context_length"),
        state_bytes_per_sequence=_state_bytes(header, number),
        is_embedder=architecture in ENCODERS
        or bool(number("pooling_type"))
        or header.metadata.get(f"{architecture}.attention.causal") is False,
    )


def _per_layer(header: GGUFHeader, key: str, layers: int, default: int) -> list[int]:
    """A setting that is one number for all layers or a list with one for each."""
    value = header.metadata.get(f"{header.architecture}.{key}")
    if isinstance(value, tuple):
        return [item for item in value if isinstance(item, int)][:layers]
    return [value if isinstance(value, int) else default] * layers


def _largest(header: GGUFHeader, key: str) -> int:
    value = header.metadata.get(key, 0)
    numbers = value if isinstance(value, tuple) else (value,)
    return max((item for item in numbers if isinstance(item, int)), default=0)


def _kv_values_per_token(header: GGUFHeader, number: Callable[..., int]) -> int:
    layers = number("block_count")
    heads = max(1, _largest(header, f"{header.architecture}.attention.head_count"))
    head_size = number("embedding_length") // heads
    latent = number("attention.kv_lora_rank")
    if latent:  # latent attention keeps one compressed vector and the rotary part a layer
        return layers * (latent + number("rope.dimension_count"))
    width = number("attention.key_length", head_size) + number("attention.value_length", head_size)
    return width * sum(_per_layer(header, "attention.head_count_kv", layers, heads))


def _state_bytes(header: GGUFHeader, number: Callable[..., int]) -> int:
    """Float32 states of the recurrent layers: the ones without KV heads, or all when every layer is both."""
    inner, state, kernel = number("ssm.inner_size"), number("ssm.state_size"), number("ssm.conv_kernel")
    if not inner:
        return 0
    layers = number("block_count")
    kv_heads = _per_layer(header, "attention.head_count_kv", layers, 0)
    recurrent = kv_heads.count(0) or layers
    convolved = inner + 2 * number("ssm.group_count") * state
    return 4 * recurrent * (inner * state + max(kernel - 1, 0) * convolved)


def _read_bytes_per_token(header: GGUFHeader, used_experts: int, experts: int) -> int:
    tied = all(tensor.name != "output.weight" for tensor in header.tensors)
    total = 0
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight" and not tied:
            continue  # one row of it
        if "_exps." in tensor.name and experts:
            total += tensor.size_bytes * used_experts // experts
        else:
            total += tensor.size_bytes
    return max(total, 1)
