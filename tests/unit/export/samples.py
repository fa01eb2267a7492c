"""Manifests with invented measurements."""

from __future__ import annotations

from edgellm.engine.judge import Comparison, Continuation
from edgellm.export.manifest import Base, Exported, Manifest, TextUsed
from edgellm.export.quantize import QUANTS
from edgellm.export.verify import verdict


def comparison(kl: float = 0.01) -> Comparison:
    return Comparison(
        positions=9, kl_mean=kl, kl_99=3 * kl, kl_max=5 * kl, top1=0.9, ppl_reference=20.0, ppl_candidate=21.0
    )


def continuation(*tokens: int, seconds: float = 0.5) -> Continuation:
    return Continuation(tokens=list(tokens), text=" ".join(map(str, tokens)), read_s=0.1, write_s=seconds)


def exported(name: str = "Q8_0", *, kl: float = 0.01, size_bytes: int = 1000, seconds: float = 0.5) -> Exported:
    pair = (continuation(1, 2, 3, 4), continuation(1, 2, 9, 4, seconds=seconds))
    return Exported(
        quantization=name,
        file=f"m-{name}.gguf",
        size_bytes=size_bytes,
        sha256="ab" * 32,
        with_imatrix=True,
        note="",
        quantize_s=1.0,
        verification=verdict(QUANTS[name], comparison(kl), True, [pair]),
    )


def manifest(*files: Exported) -> Manifest:
    return Manifest(
        name="m",
        created="2030-01-02T03:04:05+00:00",
        base=Base(
            name="starter", sha256="cd" * 32, architecture="llama", quantization="Q4_1", licence="", parameters=10**8
        ),
        adapter=None,
        source_kl=0.002,
        text=TextUsed(source="own.txt", calibration_tokens=100, held_out_tokens=50, imatrix_weights=7),
        llama_cpp="0.5",
        files=list(files) or [exported()],
    )
