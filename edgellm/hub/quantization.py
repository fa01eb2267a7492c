"""The quantizations of GGUF files: names, sizes, and which one to prefer."""

from __future__ import annotations

import re

BITS_PER_WEIGHT = {
    "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.7, "Q5_K_S": 5.5, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_K_M": 4.85, "Q4_K_S": 4.6,
    "MXFP4": 4.25, "IQ4_NL": 4.5, "Q4_1": 5.0, "IQ4_XS": 4.25, "Q4_0": 4.5, "Q3_K_L": 4.3, "Q3_K_M": 3.9, "IQ3_M": 3.7,
    "Q3_K_S": 3.5, "IQ3_S": 3.45, "IQ3_XS": 3.3, "IQ3_XXS": 3.06, "Q2_K": 2.96, "IQ2_M": 2.7, "BF16": 16.0, "F16": 16.0,
    "F32": 32.0,
}  # fmt: skip
"""Approximate bits a weight, best choice first; unquantized ones come last: they are rarely worth their size."""

_ORDER = {name: place for place, name in enumerate(BITS_PER_WEIGHT)}
_IN_NAME = re.compile(
    r"(?<![A-Za-z0-9])(IQ\d_[A-Z]+|Q\d_K_[LMS]|Q\d_K|Q\d_\d|MXFP4|BF16|FP16|F16|F32)(?![A-Za-z0-9_])", re.I
)


def quantization_of(file_name: str) -> str | None:
    """The quantization that a file's name states, such as `Q4_K_M`."""
    found = _IN_NAME.findall(file_name)
    return str(found[-1]).upper().replace("FP16", "F16") if found else None


def preference(quantization: str | None) -> int:
    """Sort key: lower is the better choice when memory allows it; unknown ones come last."""
    return _ORDER.get(quantization or "", len(_ORDER))
