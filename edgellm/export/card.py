"""An export's card: what the files are, where they come from and how good they are, as Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgellm.export.manifest import Exported, Manifest
from edgellm.safetext import clean_line
from edgellm.sizes import size

READ_BACK = {
    "hf": "the folder was read back: made a GGUF file again and opened by llama.cpp, which all numbers here are of",
    "mlx": "the folder was read back: made a GGUF file again and opened by llama.cpp, which all numbers here are of",
    "peft": "the PEFT files were read back and attached to the base in llama.cpp; the source is the base with the "
    "adapter as it is served",
}
"""How files were measured that llama.cpp does not open."""
COLUMNS = ("file", "size", "verdict", "KL mean", "KL 99 %", "same top token", "perplexity", "tokens/s")


def card(manifest: Manifest) -> str:
    """The card as Markdown."""
    parts = [
        f"# {_safe(manifest.name)}",
        f"Made on {manifest.created} with llama.cpp {_safe(manifest.llama_cpp)}.",
        "## Files",
        _table(COLUMNS, map(_row, manifest.files)),
        _perplexity(manifest),
        *_problems(manifest.files),
        *_notes(manifest.files),
        "## Where it comes from",
        _origin(manifest),
        "## How it was measured",
        _method(manifest),
        "## Answers",
        *_answers(manifest.files),
    ]
    return "\n\n".join(parts) + "\n"


def _row(file: Exported) -> Sequence[str]:
    proof = file.verification
    found = proof.comparison
    return (
        file.file or file.quantization,
        size(file.size_bytes),
        "passed" if proof.passed else "FAILED",
        f"{found.kl_mean:.4f} (at most {proof.tolerance_kl:g})",
        f"{found.kl_99:.3f}",
        f"{found.top1:.1%}",
        f"{found.ppl_candidate:.2f}",
        f"{proof.tokens_per_s:.0f}",
    )


def _perplexity(manifest: Manifest) -> str:
    found = manifest.files[0].verification.comparison
    precision = "" if manifest.kind == "peft" else " at full precision"
    return f"Perplexity of the source{precision}: {found.ppl_reference:.2f}."


def _problems(files: Sequence[Exported]) -> Iterable[str]:
    for file in files:
        for problem in file.verification.problems:
            yield f"**{file.quantization} failed:** {_safe(problem)}"


def _notes(files: Sequence[Exported]) -> Iterable[str]:
    for file in files:
        if file.note:
            yield f"{file.quantization}: {_safe(file.note)}"


def _origin(manifest: Manifest) -> str:
    base, adapter = manifest.base, manifest.adapter
    lines = [
        f"- base: {_safe(base.name)}, {_safe(base.architecture)}, {base.parameters / 1e6:,.0f} million weights, "
        f"stored as {base.quantization}, SHA-256 `{base.sha256}`",
        f"- licence of the base: {_code(base.licence) if base.licence else 'not stated in the file'}",
    ]
    if base.description:
        lines.append(f"- the base says of itself: {_code(base.description)}")
    if adapter is not None:
        lines.append(f"- adapter: {_safe(adapter.name)}, SHA-256 `{adapter.sha256}`")
        rows = f", {adapter.dataset_rows:,} rows" if adapter.dataset_rows is not None else ""
        data = f"{_safe(adapter.dataset)}{rows}, content hash `{_safe(adapter.dataset_hash)}`"
        lines.append(f"- trained on: {data if adapter.dataset else 'not known'}")
    return "\n".join(lines)


def _method(manifest: Manifest) -> str:
    text = manifest.text
    lines = [
        f"- text to verify: {_safe(text.held_out_source or text.source)}; {text.held_out_tokens:,} tokens, which no "
        "other step of this export read",
        "- KL: divergence of the next token's distribution from the source, in nats",
        "- tokens a second: of the answer below that was written fastest, on the machine that exported",
        "- chat template: conversations rendered by the file's own template must have the source's token ids",
    ]
    if manifest.kind in READ_BACK:
        lines.insert(1, f"- {READ_BACK[manifest.kind]}")
    if text.imatrix_weights:
        matrix = (
            f"- importance matrix: {text.imatrix_weights} weights, measured on {text.calibration_tokens:,} tokens of: "
        )
        matrix += _safe(text.source)
        lines.insert(1, matrix)
    if manifest.source_kl:
        lines.append(f"- the source is the base as it is served, by a KL of {manifest.source_kl:.4f}")
    if manifest.kind != "peft" and manifest.base.quantization not in ("F32", "F16", "BF16"):
        stored = manifest.base.quantization
        lines.append(f"- full precision is what the base's {stored} weights stand for: the base itself has no more")
    return "\n".join(lines)


def _answers(files: Sequence[Exported]) -> Iterable[str]:
    for file in files:
        rows = (
            (_safe(pair.reference), _safe(pair.candidate), f"{pair.same_beginning:.0%}")
            for pair in file.verification.answers
        )
        yield f"### {file.quantization}\n\n" + _table(("source", file.quantization, "same from the start"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(text: str) -> str:
    """Text of a stranger's file: as code it is no link, picture or HTML."""
    return f"`{clean_line(text).replace('`', chr(39))}`"


def _safe(text: str) -> str:
    """Text from models, files and names, harmless and without Markdown's column mark."""
    return clean_line(text).replace("|", "\\|")
