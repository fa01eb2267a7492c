"""An export at work: the folder it happens in, the texts, the model at full precision, its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgellm.adapter_header import AdapterHeader
from edgellm.engine.judge import Judge
from edgellm.events import JobEvent, Progressed, Started
from edgellm.export import imatrix
from edgellm.export.fuse import PLAIN_TYPES, Precision, added, fuse
from edgellm.export.imatrix import Windows
from edgellm.export.manifest import Exported, Manifest, TextUsed
from edgellm.export.order import Order
from edgellm.export.verify import Reference, reference_bytes, source_divergence
from edgellm.gguf_header import GGUFHeader

OnEvent = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every kind of export does: one order, in a folder that gets its name at the end."""

    order: Order
    base: GGUFHeader
    adapter: AdapterHeader | None
    """It fits the base."""
    work: Path
    on_event: OnEvent

    def windows(self) -> Windows:
        """The text as tokens. Raises: InvalidInput when it is too short."""
        with Judge(str(self.order.base_path), context_tokens=imatrix.WINDOW_TOKENS) as judge:
            beginning = judge.tokenize("", add_special=True)[:1] if judge.info.adds_bos else []
            text = self.order.text
            held_out = judge.tokenize(text.held_out) if text.held_out else None
            return imatrix.windows(judge.tokenize(text.content), beginning, held_out)

    def source(self, precision: Precision) -> Path:
        """The model at full precision: the base file itself where it is that already."""
        if self.adapter is None and is_full_precision(self.base):
            return self.order.base_path
        path, total = self.work / ".full.gguf", len(self.base.tensors)
        self.start(f"Write {precision} weights", total, "tensors")
        changes = added(self.adapter) if self.adapter else None
        fuse(self.base, changes, path, precision, lambda done: self.progress(done, total))
        return path

    def divergence(self, source: Path, pieces: Windows) -> float:
        """From the base as it is served to the source. Raises: JobError when they are not the same model."""
        if source == self.order.base_path:
            return 0.0
        self.start("Compare with the base", 1, "texts")
        return source_divergence(self.order.base_path, self.order.adapter_path, source, pieces.held_out[0])

    def reference(self, source: Path, pieces: Windows, adapter: Path | None = None) -> Reference:
        """What the source says, with a GGUF adapter attached where one is named; to be closed."""
        self.start("Measure the source", len(pieces.held_out), "texts")
        return Reference(source, pieces.held_out, self.work, adapter)

    def manifest(self, files: list[Exported], text: TextUsed, divergence: float = 0.0) -> Manifest:
        """What is said of the finished files."""
        from edgellm.engine.llama.library import version

        return Manifest(
            name=self.order.name,
            kind=self.order.kind,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            base=self.order.base,
            adapter=self.order.adapter,
            source_kl=divergence,
            text=text,
            llama_cpp=version(),
            files=files,
        )

    def text_used(self, pieces: Windows, imatrix_weights: int = 0) -> TextUsed:
        """What was read; an export without an importance matrix calibrates nothing."""
        return TextUsed(
            source=self.order.text.source,
            calibration_tokens=sum(map(len, pieces.calibration)) if imatrix_weights else 0,
            held_out_source=self.order.text.held_out_source,
            held_out_tokens=sum(map(len, pieces.held_out)),
            imatrix_weights=imatrix_weights,
        )

    def start(self, title: str, total: int, unit: str) -> None:
        """Tell that a part begins."""
        self.on_event(Started(title=title, total=total, unit=unit))

    def progress(self, done: int, total: int) -> None:
        """Tell how far a part is."""
        self.on_event(Progressed(done=done, total=total))


def is_full_precision(base: GGUFHeader) -> bool:
    """Whether no tensor of the file is quantized."""
    return all(tensor.type.name in PLAIN_TYPES for tensor in base.tensors)


def most_reference_bytes(base: GGUFHeader) -> int:
    """Disk space that a reference takes at most."""
    texts = [[0] * imatrix.WINDOW_TOKENS] * imatrix.MOST_HELD_OUT
    return reference_bytes(texts, base.count("tokenizer.ggml.tokens"))
