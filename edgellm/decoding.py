"""Bytes and plain values become typed ones: the only door to msgspec's typed decoding.

msgspec 0.22 keeps what it knows of a class (dataclass, Struct) in that class, and puts it there before it is complete:
a second thread that decodes by it in that moment ends the process. Here one thread at a time learns a kind, and a kind
is used only when it is known whole. A decoder is made once for each kind, which is faster, too.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_learning = threading.Lock()
_json: dict[Any, msgspec.json.Decoder[Any]] = {}
_msgpack: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """What decodes JSON to this kind. Thread-safe."""
    return _json.get(kind) or _learnt(_json, msgspec.json.Decoder, kind)


def msgpack_decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """What decodes MessagePack to this kind. Thread-safe."""
    return _msgpack.get(kind) or _learnt(_msgpack, msgspec.msgpack.Decoder, kind)


@overload
def from_json(data: bytes | bytearray | str, type: type[T]) -> T: ...
@overload
def from_json(data: bytes | bytearray | str, type: Any) -> Any: ...
def from_json(data: bytes | bytearray | str, type: Any) -> Any:
    """JSON as a value of this type. Raises: msgspec.DecodeError. Thread-safe."""
    return json_decoder(type).decode(data)


@overload
def from_msgpack(data: bytes, type: type[T]) -> T: ...
@overload
def from_msgpack(data: bytes, type: Any) -> Any: ...
def from_msgpack(data: bytes, type: Any) -> Any:
    """MessagePack as a value of this type. Raises: msgspec.DecodeError. Thread-safe."""
    return msgpack_decoder(type).decode(data)


@overload
def convert(value: Any, type: type[T], *, strict: bool = True, str_keys: bool = False) -> T: ...
@overload
def convert(value: Any, type: Any, *, strict: bool = True, str_keys: bool = False) -> Any: ...
def convert(value: Any, type: Any, *, strict: bool = True, str_keys: bool = False) -> Any:
    """A value made of dicts, lists and plain values as one of this type.

    Args:
        strict: False also takes numbers and booleans that are written as strings.
        str_keys: keys are strings, as in JSON, whatever the type says.

    Raises: msgspec.ValidationError. Thread-safe.
    """
    msgpack_decoder(type)
    return msgspec.convert(value, type, strict=strict, str_keys=str_keys)


def _learnt(known: dict[Any, Any], decoder: Any, kind: Any) -> Any:
    with _learning:
        if kind not in known:
            known[kind] = decoder(kind)
        return known[kind]
