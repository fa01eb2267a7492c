"""A byte-level BPE tokenizer, trained on the texts, that llama.cpp cuts text as.

Byte-pair encoding over bytes: Sennrich et al. 2016 (arXiv:1508.07909), Radford et al. 2019. Digits stand alone, as in
SmolLM: numbers are then spelled, not memorised. The `tokenizers` package does the counting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import MissingExtra
from edgellm.export.convert.folder import ModelFolder
from edgellm.export.convert.pretokenizers import SMOLLM, definition_of
from edgellm.export.convert.tokenizer import tokenizer_metadata
from edgellm.gguf_write import Value

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EDGE = "<|endoftext|>"
"""The only control token: it begins a text, and it ends one."""
EDGE_ID = 0
LEAST_VOCABULARY = 257
"""Every byte, and the control token."""
SAMPLE_CHARS = 16 * 1024**2
"""Characters that are counted; more change the frequent pairs no more."""
TEMPLATE = "{% for m in messages %}{{ m.content }}{% if not loop.last %}{{ '\n\n' }}{% endif %}{% endfor %}"
"""Nobody taught the model to take turns: it goes on with what was said."""


def train_tokenizer(passages: Sequence[str], vocabulary: int) -> str:
    """tokenizer.json's content, with up to `vocabulary` tokens: fewer when the texts have no more pairs.

    Raises: MissingExtra without the `tokenizers` package.
    """
    _package()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    known = definition_of(SMOLLM)
    assert known is not None
    whole = json.loads(Tokenizer(models.BPE()).to_str()) | {"pre_tokenizer": known[0]}
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{EDGE} $A", special_tokens=[(EDGE, EDGE_ID)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=[EDGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_sample(passages), trainer)
    content: str = tokenizer.to_str()
    return content


def vocabulary_of(content: str) -> int:
    """How many tokens a tokenizer.json has."""
    return int(open_tokenizer(content).get_vocab_size())


def open_tokenizer(content: str) -> Tokenizer:
    """The tokenizer; control tokens that a text spells are text. Raises: MissingExtra."""
    _package()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(content)
    tokenizer.encode_special_tokens = True
    return tokenizer


def write_tokenizer(folder: Path, content: str) -> dict[str, Value]:
    """Write the tokenizer as Hugging Face's libraries open it. Returns: GGUF's keys of it."""
    settings = {"bos_token": EDGE, "eos_token": EDGE, "chat_template": TEMPLATE}
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tokenizer_metadata(ModelFolder(folder, {}, {}), vocabulary_of(content))


def _sample(passages: Sequence[str]) -> Iterator[str]:
    lengths = accumulate(map(len, passages))
    for text, _ in takewhile(lambda pair: pair[1] <= SAMPLE_CHARS, zip(passages, lengths, strict=True)):
        yield text


def _package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra(
            "Making a tokenizer needs the package tokenizers.",
            hint="Install it: pip install 'edgellm[train]'",
            extra="train",
        ) from None
    return tokenizers
