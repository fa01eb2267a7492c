"""Families that are converted: their sizes, GGUF metadata and what happens to the numbers of a tensor.

Rules of llama.cpp's files: https://github.com/ggml-org/llama.cpp/tree/master/conversion
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgellm.export.convert.config import Config
from edgellm.export.convert.names import LAYER_NAMES
from edgellm.export.convert.rope import Rotation, read_rotation
from edgellm.gguf_header import MAX_ARRAY_ITEMS
from edgellm.gguf_write import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHITECTURES: Mapping[str, str] = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3_text": "gemma3",
    "gemma3": "gemma3", "phi3": "phi3",
}  # fmt: skip
"""GGUF's architecture by config.json's model_type. SmolLM 1 and 2 and Falcon 3 call themselves llama."""
_GEMMA_DEFAULTS = {
    "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072, "rms_norm_eps": 1e-6,
    "vocab_size": 262_208, "sliding_window": 4096, "query_pre_attn_scalar": 256,
}  # fmt: skip
"""What Gemma's folders leave out, as in transformers' Gemma3TextConfig."""
GEMMA_PERIOD = 6
GEMMA_27B_LAYERS = 62
"""llama.cpp knows Gemma 3 27B by its layers; its attention is scaled by the model's width."""
MAX_LAYERS = 1024


@dataclass(frozen=True, slots=True)
class Family:
    """One model's sizes and switches."""

    architecture: str
    config: Config
    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    rotation: Rotation
    is_tied: bool | None
    """Whether the output head is the embedding; None when the folder does not say."""
    is_interleaved: bool
    """Whether the rows of q and k are in llama.cpp's order already."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor that the file must have, slowest-varying dimension first; without the output head."""
        q, kv = self.heads * self.head_width, self.kv_heads * self.head_width
        sizes: dict[str, tuple[int, ...]] = {
            "attn_q.weight": (q, self.width), "attn_k.weight": (kv, self.width), "attn_v.weight": (kv, self.width),
            "attn_q.bias": (q,), "attn_k.bias": (kv,), "attn_v.bias": (kv,),
            "attn_qkv.weight": (q + 2 * kv, self.width),
            "attn_output.weight": (self.width, q), "attn_q_norm.weight": (self.head_width,),
            "attn_k_norm.weight": (self.head_width,), "ffn_gate.weight": (self.hidden, self.width),
            "ffn_up.weight": (self.hidden * (2 if self.architecture == "phi3" else 1), self.width),
            "ffn_down.weight": (self.width, self.hidden),
        }  # fmt: skip
        names = LAYER_NAMES[self.architecture].values()
        found = {f"blk.{n}.{name}": sizes.get(name, (self.width,)) for n in range(self.layers) for name in names}
        return {"token_embd.weight": (self.vocabulary, self.width), **found, "output_norm.weight": (self.width,)}

    def metadata(self, context_tokens: int) -> dict[str, Value]:
        """The architecture's keys."""
        keys: dict[str, Value] = {
            "block_count": self.layers,
            "context_length": context_tokens,
            "embedding_length": self.width,
            "feed_forward_length": self.hidden,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "attention.key_length": self.head_width,
            "attention.value_length": self.head_width,
            "attention.layer_norm_rms_epsilon": self.config.real("rms_norm_eps", 1e-6),
            "vocab_size": self.vocabulary,
            **self.rotation.metadata,
        }
        if self.architecture == "gemma3":
            keys["attention.sliding_window"] = self.config.whole("sliding_window")
            if (period := gemma_period(self.config, self.layers)) != GEMMA_PERIOD:
                keys["attention.sliding_window_pattern"] = period
        if self.architecture == "phi3":
            keys["attention.sliding_window"] = 0  # llama.cpp's marker for: all layers see everything
        return {f"{self.architecture}.{key}": value for key, value in keys.items()}

    def to_gguf(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """A whole tensor's numbers as llama.cpp wants them; `name` is GGUF's."""
        if self.changes(name) == "rotated":
            return interleaved(values, self.heads if ".attn_q." in name else self.kv_heads)
        return values + 1 if self.changes(name) == "shifted" else values

    def changes(self, name: str) -> str:
        """What happens to the numbers of a tensor: "rotated", "shifted", or nothing (an empty text)."""
        if self.architecture == "llama" and not self.is_interleaved and re.search(r"\.attn_[qk]\.", name):
            return "rotated"
        return "shifted" if self.architecture == "gemma3" and name.endswith("norm.weight") else ""


def interleaved(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Rows of q or k from halves of a head that form pairs (Hugging Face) to neighbours that do (llama.cpp).

    The inverse of `edgellm.export.peft.unpermuted`.
    """
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def read_family(config: Config) -> Family:
    """The model that config.json describes.

    Raises: ModelRejected for another family, or a setting that llama.cpp does not compute.
    """
    kind = config.text("model_type")
    architecture = ARCHITECTURES.get(kind)
    if architecture is None:
        config.refuse(f"models of the family {kind!r} are not converted; {', '.join(sorted(ARCHITECTURES))} are")
    outer = config
    if architecture == "gemma3":
        text = config.table("text_config") or config
        config = Config(config.path, _GEMMA_DEFAULTS | dict(text.values))
    _check_quantization(outer)
    width, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    head_width = config.whole("head_dim", 128 if architecture == "qwen3" else width // heads)
    traditional = config.flag("rope_traditional")
    if traditional and architecture != "llama":
        config.refuse("rope_traditional is true, which llama.cpp does not compute for this family")
    tied = next(
        (table.flag("tie_word_embeddings") for table in (outer, config) if table.has("tie_word_embeddings")), None
    )
    family = Family(
        architecture=architecture, config=config, layers=config.whole("num_hidden_layers"), width=width,
        hidden=config.whole("intermediate_size"), heads=heads, kv_heads=config.whole("num_key_value_heads", heads),
        head_width=head_width, vocabulary=config.whole("vocab_size"),
        rotation=read_rotation(config, architecture, head_width), is_tied=tied, is_interleaved=traditional,
    )  # fmt: skip
    _check(family)
    return family


def _check(family: Family) -> None:
    config = family.config
    if family.layers > MAX_LAYERS or family.vocabulary > MAX_ARRAY_ITEMS:
        config.refuse(f"{family.layers} layers or {family.vocabulary} tokens are beyond any known model")
    if family.heads % family.kv_heads or family.head_width % 2:
        config.refuse(f"{family.heads} heads of {family.head_width} cannot share {family.kv_heads} keys")
    wanted = "gelu_pytorch_tanh" if family.architecture == "gemma3" else "silu"
    for key in ("hidden_act", "hidden_activation"):
        if (found := config.text(key, wanted)) != wanted:
            config.refuse(f"{key} is {found!r}; llama.cpp computes {wanted!r} for this family")
    for key in ("final_logit_softcapping", "attn_logit_softcapping"):
        if config.has(key):
            config.refuse(f"{key} is set, which is not converted")
    if family.architecture == "phi3" and family.width != family.heads * family.head_width:
        config.refuse(f"{family.heads} heads of {family.head_width} are not its width {family.width}")
    if family.architecture == "gemma3":
        _check_gemma(family)


def _check_gemma(family: Family) -> None:
    divisor = family.head_width if family.layers != GEMMA_27B_LAYERS else family.width // family.heads
    found = family.config.real("query_pre_attn_scalar")
    if found != divisor:
        family.config.refuse(f"query_pre_attn_scalar is {found:g}; llama.cpp divides by {divisor}")


def gemma_period(config: Config, layers: int) -> int:
    """Every how many layers one sees everything. Raises: ModelRejected when `layer_types` follow no such order."""
    kinds = config.values.get("layer_types")
    if kinds is None:
        return config.whole("sliding_window_pattern", config.whole("_sliding_window_pattern", GEMMA_PERIOD))
    full = [number for number, kind in enumerate(kinds) if kind == "full_attention"] if isinstance(kinds, list) else []
    period = full[0] + 1 if full else layers + 1
    if full != [number for number in range(layers) if (number + 1) % period == 0] or len(kinds) != layers:
        config.refuse("its layer_types are not a full layer after every so many with a sliding window")
    return GEMMA_PERIOD if not full and layers < GEMMA_PERIOD else period


def context_tokens(family: Family) -> tuple[int, str]:
    """The longest text that llama.cpp computes as in training, and a note where that is less than the model claims."""
    config = family.config
    longest = config.whole("max_position_embeddings", 4096)
    has_window = config.flag("use_sliding_window", family.architecture != "qwen2" and family.architecture != "qwen3")
    if family.architecture == "gemma3" or not has_window or not config.has("sliding_window"):
        return longest, ""
    window = config.whole("sliding_window")
    if window >= longest:
        return longest, ""
    return window, f"The model was trained with a sliding window; texts are limited to its {window} tokens."


def _check_quantization(config: Config) -> None:
    found = config.table("quantization_config")
    if found is not None and not config.has("quantization"):  # MLX writes both
        config.refuse(
            f"its weights are quantized by {found.text('quant_method', 'an unknown method')!r}; take the original"
        )
