"""Typed reading of config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from edgellm.export.convert.refusal import refuse

LARGEST = 3e38
"""Anything more is no float32."""


@dataclass(frozen=True, slots=True)
class Config:
    """A table of settings; a value of the wrong kind refuses the folder."""

    path: Path
    values: Mapping[str, Any]

    def whole(self, key: str, default: int | None = None) -> int:
        """A positive whole number. Raises: ModelRejected."""
        value = self._value(key, default)
        if type(value) is not int or not 0 < value < 2**31:
            self.refuse(f"{key} is {value!r}, not a positive whole number")
        return value

    def real(self, key: str, default: float | None = None) -> float:
        """A positive number. Raises: ModelRejected."""
        value = self._value(key, default)
        if type(value) not in (int, float) or not 0 < value < LARGEST:
            self.refuse(f"{key} is {value!r}, not a positive number")
        return float(value)

    def reals(self, key: str) -> list[float]:
        """A list of positive numbers. Raises: ModelRejected."""
        values = self.values.get(key)
        if not isinstance(values, list) or not all(type(v) in (int, float) and 0 < v < LARGEST for v in values):
            self.refuse(f"{key} is not a list of positive numbers")
        return [float(value) for value in values]

    def flag(self, key: str, default: bool = False) -> bool:
        """A truth value. Raises: ModelRejected."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            self.refuse(f"{key} is {value!r}, neither true nor false")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text. Raises: ModelRejected."""
        value = self._value(key, default)
        if not isinstance(value, str):
            self.refuse(f"{key} is {value!r}, not a text")
        return value

    def table(self, key: str) -> Config | None:
        """A table inside; None when it is absent or null. Raises: ModelRejected."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(f"{key} is {str(value)[:80]!r}, not a table")
        return Config(self.path, value)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.values.get(key) is not None

    def refuse(self, reason: str) -> NoReturn:
        """Raises: ModelRejected."""
        refuse(self.path, reason)

    def _value(self, key: str, default: Any) -> Any:
        value = self.values.get(key)
        if value is None and default is None:
            self.refuse(f"it has no {key}")
        return default if value is None else value
