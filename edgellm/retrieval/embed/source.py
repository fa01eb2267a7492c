"""An embedder's folder in the layout of sentence-transformers: what it says of itself, checked.

Nothing in it is run.

Layout: https://sbert.net/docs/sentence_transformer/usage/custom_models.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgellm.export.convert.config import Config
from edgellm.export.convert.folder import ModelFolder, open_folder
from edgellm.export.convert.refusal import refuse
from edgellm.hub.installed import sha256_of
from edgellm.retrieval.embed.wordpiece import WordPieceRules
from edgellm.retrieval.values import EmbedderIdentity

Pooling = Literal["mean", "cls"]
WEIGHTS = "model.safetensors"
_MODULES = {"Transformer", "Pooling", "Normalize"}
_POOLINGS: Mapping[str, Pooling] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
TAKE_ANOTHER = "Choose an embedder of the BERT family with a WordPiece vocabulary, such as all-MiniLM-L6-v2."


@dataclass(frozen=True, slots=True, kw_only=True)
class BertShape:
    """Sizes of a BERT encoder (Devlin et al. 2018, arXiv:1810.04805)."""

    layers: int
    heads: int
    width: int
    feed_forward: int
    vocabulary: int
    positions: int
    """Longest text that the position table holds, in tokens."""
    types: int
    norm_epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderSource:
    """An embedder whose folder was read and found usable."""

    folder: ModelFolder
    identity: EmbedderIdentity
    shape: BertShape
    pooling: Pooling
    rules: WordPieceRules


def read_source(path: Path, name: str) -> EmbedderSource:
    """Read a folder and hash its weights.

    Raises: ModelRejected for pickles, code, an unknown family, pooling, module or tokenizer, or a damaged file.
    """
    folder = open_folder(path)
    shape = _shape(Config(path / "config.json", folder.config))
    _check_modules(folder)
    prefixes = _prefixes(folder)
    identity = EmbedderIdentity(
        name=name,
        sha256=_weights_sha256(folder),
        dimensions=shape.width,
        max_tokens=_max_tokens(folder, shape),
        query_prefix=prefixes.get("query", ""),
        passage_prefix=prefixes.get("passage") or prefixes.get("document", ""),
    )
    rules = wordpiece_rules(folder)
    if len(rules.vocabulary) > shape.vocabulary:
        refuse(path / "tokenizer.json", f"it has {len(rules.vocabulary)} tokens; the model knows {shape.vocabulary}")
    return EmbedderSource(folder=folder, identity=identity, shape=shape, pooling=_pooling(folder), rules=rules)


def _shape(config: Config) -> BertShape:
    family = config.text("model_type")
    if family != "bert":
        refuse(config.path, f"its family is {family!r}; embedders of the family 'bert' are read", TAKE_ANOTHER)
    for key, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if config.text(key, known) != known:
            config.refuse(f"{key} is {config.text(key)!r}; only {known!r} is known")
    shape = BertShape(
        layers=config.whole("num_hidden_layers"),
        heads=config.whole("num_attention_heads"),
        width=config.whole("hidden_size"),
        feed_forward=config.whole("intermediate_size"),
        vocabulary=config.whole("vocab_size"),
        positions=config.whole("max_position_embeddings"),
        types=config.whole("type_vocab_size"),
        norm_epsilon=config.real("layer_norm_eps", 1e-12),
    )
    if shape.width % shape.heads:
        config.refuse(f"its {shape.heads} heads do not divide its width of {shape.width}")
    return shape


def _check_modules(folder: ModelFolder) -> None:
    path = folder.path / "modules.json"
    table = folder.listed("modules.json")
    if table is None:
        refuse(
            path,
            "it is missing, so nothing says how token states become one vector",
            "Choose a folder that sentence-transformers saved.",
        )
    for module in table:
        kind = str(module.get("type")) if isinstance(module, dict) else str(module)
        package, _, name = kind.rpartition(".")
        if name not in _MODULES or package.partition(".")[0] != "sentence_transformers":
            refuse(path, f"it has the module {kind[:80]!r}; {', '.join(sorted(_MODULES))} are known", TAKE_ANOTHER)


def _pooling(folder: ModelFolder) -> Pooling:
    name = "1_Pooling/config.json"
    table = folder.table(name)
    if table is None:
        refuse(folder.path / name, "it is missing, so nothing says how token states become one vector")
    chosen = [key for key, value in table.items() if key.startswith("pooling_mode") and value is True]
    if isinstance(table.get("pooling_mode"), str):  # the newer way of saying it
        chosen = [{"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}.get(table["pooling_mode"], "?")]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        refuse(folder.path / name, f"it pools by {', '.join(chosen) or 'nothing'}; mean and cls are known")
    return _POOLINGS[chosen[0]]


def _max_tokens(folder: ModelFolder, shape: BertShape) -> int:
    table = folder.table("sentence_bert_config.json") or {}
    stated = Config(folder.path / "sentence_bert_config.json", table).whole("max_seq_length", shape.positions)
    return min(stated, shape.positions)


def _prefixes(folder: ModelFolder) -> Mapping[str, str]:
    """What the folder's makers put before questions and passages."""
    table = Config(folder.path, folder.table("config_sentence_transformers.json") or {})
    prompts = table.table("prompts")
    if prompts is None:
        return {}
    return {key: prompts.text(key) for key in ("query", "passage", "document") if prompts.has(key)}


def _weights_sha256(folder: ModelFolder) -> str:
    files = sorted({entry.path for entry in folder.tensors.values()})
    if [file.name for file in files] != [WEIGHTS]:
        names = ", ".join(file.name for file in files)
        refuse(folder.path, f"its weights are in {names}; one file {WEIGHTS} is expected")
    return sha256_of(files[0])


def wordpiece_rules(folder: ModelFolder) -> WordPieceRules:
    """The rules that tokenizer.json states. Raises: ModelRejected for any that BERT's own tokenizer has not."""
    path = folder.path / "tokenizer.json"
    settings = folder.table("tokenizer.json")
    if settings is None:
        refuse(path, "it is missing", "Save the tokenizer in its fast form; vocab.txt alone is not read.")
    model, normalizer = settings.get("model"), settings.get("normalizer")
    for what, found, wanted in (
        ("tokenizer", model, "WordPiece"),
        ("normalizer", normalizer, "BertNormalizer"),
        ("pre-tokenizer", settings.get("pre_tokenizer"), "BertPreTokenizer"),
    ):
        kind = found.get("type", wanted) if isinstance(found, dict) else found
        if kind != wanted:
            refuse(path, f"its {what} is {str(kind)[:40]!r}; only {wanted!r} is known", TAKE_ANOTHER)
    assert isinstance(model, dict)
    assert isinstance(normalizer, dict)
    _check_normalizer(Config(path, normalizer))
    vocabulary = _vocabulary(path, model)
    lowercase = Config(path, normalizer).flag("lowercase", True)
    stripping = normalizer.get("strip_accents")
    return WordPieceRules(
        vocabulary=vocabulary,
        unknown=_special(path, vocabulary, str(model.get("unk_token", "[UNK]"))),
        cls=_special(path, vocabulary, "[CLS]"),
        sep=_special(path, vocabulary, "[SEP]"),
        is_lowercase=lowercase,
        strips_accents=lowercase if stripping is None else bool(stripping),
        continuation=Config(path, model).text("continuing_subword_prefix", "##"),
        word_limit=Config(path, model).whole("max_input_chars_per_word", 100),
    )


def _check_normalizer(config: Config) -> None:
    for key in ("clean_text", "handle_chinese_chars"):
        if not config.flag(key, True):
            config.refuse(f"its normalizer has {key} switched off, which llama.cpp does not know")


def _vocabulary(path: Path, model: Mapping[str, Any]) -> dict[str, int]:
    found = model.get("vocab")
    if not isinstance(found, dict) or sorted(map(str, found.values())) != sorted(map(str, range(len(found)))):
        refuse(path, "its vocabulary does not number its tokens from 0 on without a gap")
    return found


def _special(path: Path, vocabulary: Mapping[str, int], text: str) -> int:
    if text not in vocabulary:
        refuse(path, f"the special token {text!r} is not in the vocabulary")
    return vocabulary[text]
