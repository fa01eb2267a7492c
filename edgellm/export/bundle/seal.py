"""What holds a manifest together: its hash, and optionally an Ed25519 signature.

Ed25519: RFC 8032. Keys are PEM files as openssl makes them: `openssl genpkey -algorithm ed25519 -out key.pem` and
`openssl pkey -in key.pem -pubout -out key.pub`.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

from edgellm.errors import IntegrityError, InvalidInput, MissingExtra

CONTEXT = b"edgellm bundle manifest 1\n"
"""Before what is signed: a signature under something else can never be taken for one under a manifest."""
KEY_BYTES, SIGNATURE_BYTES = 32, 64
EXTRA = "sign"
ED25519 = "cryptography.hazmat.primitives.asymmetric.ed25519"
SERIALIZATION = "cryptography.hazmat.primitives.serialization"


def digest(manifest: bytes, signature: bytes) -> bytes:
    """What `manifest.sha256` holds: the hash of both, as text."""
    return hashlib.sha256(manifest + signature).hexdigest().encode() + b"\n"


def sign(manifest: bytes, key_file: Path) -> bytes:
    """What `manifest.sig` holds: the public key and the signature.

    Raises: MissingExtra; InvalidInput when the file holds no private Ed25519 key without a password; OSError.
    """
    keys, loading, wrong = _library("sign a bundle")
    try:
        key = loading.load_pem_private_key(key_file.read_bytes(), password=None)
    except (ValueError, TypeError, wrong.UnsupportedAlgorithm) as error:
        raise _no_key(key_file, "private") from error
    if not isinstance(key, keys.Ed25519PrivateKey):
        raise _no_key(key_file, "private")
    made: bytes = key.public_key().public_bytes_raw() + key.sign(CONTEXT + manifest)
    return made


def verify(manifest: bytes, signature: bytes, key_file: Path) -> None:
    """Check that the holder of this key signed.

    Raises: IntegrityError when not; MissingExtra; InvalidInput when the file holds no public Ed25519 key; OSError.
    """
    keys, loading, wrong = _library("check a bundle's signature")
    try:
        key = loading.load_pem_public_key(key_file.read_bytes())
    except (ValueError, wrong.UnsupportedAlgorithm) as error:
        raise _no_key(key_file, "public") from error
    if not isinstance(key, keys.Ed25519PublicKey):
        raise _no_key(key_file, "public")
    expected = key.public_bytes_raw()
    if not signature:
        raise _refused("it is not signed", fingerprint(expected), "")
    if signature[:KEY_BYTES] != expected:
        found = fingerprint(signature[:KEY_BYTES])
        raise _refused(f"the key {found} signed it, not {fingerprint(expected)}", fingerprint(expected), found)
    try:
        key.verify(signature[KEY_BYTES:], CONTEXT + manifest)
    except wrong.InvalidSignature as error:
        raise _refused("its signature is not valid", fingerprint(expected), "") from error


def fingerprint(key: bytes) -> str:
    """A short name of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def _library(what: str) -> tuple[Any, Any, Any]:
    try:
        return import_module(ED25519), import_module(SERIALIZATION), import_module("cryptography.exceptions")
    except ImportError as error:
        message = f"To {what}, a library for Ed25519 is needed."
        raise MissingExtra(message, hint=f'Install it: pip install "edgellm[{EXTRA}]"', extra=EXTRA) from error


def _no_key(path: Path, kind: str) -> InvalidInput:
    hint = "Make one: openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub"
    return InvalidInput(f"{str(path)!r} holds no {kind} Ed25519 key in PEM form.", hint=hint, field="key")


def _refused(reason: str, expected: str, found: str) -> IntegrityError:
    hint = "Ask whoever made it which key to check with; nothing was put in place."
    return IntegrityError(f"The bundle is refused: {reason}.", hint=hint, expected=expected, found=found)
