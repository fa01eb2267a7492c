"""Which format a file has: its content decides what it can, its name the rest."""

from __future__ import annotations

import re
import zipfile
from pathlib import PurePath
from typing import BinaryIO

from edgellm.retrieval.parse.refusal import Refused

HEAD_BYTES = 64 * 1024
_CODE_ENDINGS = """
asm bash bat c cc cfg clj cmake conf cpp cs css cu cxx dart el erl ex exs f f90 fish fs go gradle groovy h hh hpp hs
ini java jl js json jsonl jsx kt kts less lisp lua m make ml mm nim nix pas php pl pm proto ps1 py pyi pyx r rb rs s
sass scala scm scss sh sql swift tcl tf toml ts tsx v vb vhd vim vue xml xsd xsl yaml yml zig zsh
"""
CODE_ENDINGS = frozenset(f".{ending}" for ending in _CODE_ENDINGS.split())
"""Of source code and of what programs read."""
_CODE_NAMES = frozenset(("makefile", "dockerfile", "cmakelists.txt", "jenkinsfile", "rakefile", "gemfile"))
_BY_ENDING = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".docm": "docx",
    ".pptx": "pptx",
    ".pptm": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".eml": "email",
    ".mbox": "email",
    ".log": "log",
}
TEXT_KINDS = ("csv", "html", "markdown", "text", "code", "email", "log")
_FOREIGN = (
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an Office file of before 2007, or an encrypted one; save it as .docx or .pdf",
    ),
    (b"\x89PNG", "a picture (PNG); text in pictures is not read"),
    (b"\xff\xd8\xff", "a picture (JPEG); text in pictures is not read"),
    (b"GIF8", "a picture (GIF); text in pictures is not read"),
    (b"II*\0", "a picture (TIFF); text in pictures is not read"),
    (b"MM\0*", "a picture (TIFF); text in pictures is not read"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a rar archive; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "a database"),
    (b"GGUF", "a model file"),
    (b"PAR1", "a Parquet table; save it as CSV"),
    (b"{\\rtf", "a Rich Text file; save it as .docx or .pdf"),
    (b"%!PS", "PostScript; save it as PDF"),
)
_OFFICE = (("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx"))
_COMMENT = rb"(?><!--.*?-->)\s*"  # atomic: that many comments could be one long comment is not tried
_XML = rb"\s*(?:<\?xml[^>]*>\s*)?"
_HTML = re.compile(_XML + rb"(?:" + _COMMENT + rb")*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_SVG = re.compile(_XML + rb"(?:" + _COMMENT + rb"|<!doctype[^>]*>\s*)*<svg\b", re.IGNORECASE | re.DOTALL)
_MAIL = re.compile(rb"(?:From [^\n]+\n)?(?:[A-Za-z0-9-]+:[^\n]*\r?\n(?:[ \t][^\n]*\n)*){3,}")
_MAIL_FIELDS = (b"from:", b"message-id:", b"mime-version:", b"received:", b"return-path:", b"subject:", b"date:")
_STAMP = re.compile(rb"\W{0,2}(?:\d{4}-\d\d-\d\d|\d\d?/\w{3}/\d{4}|[A-Z][a-z]{2} [ \d]\d|\d\d:\d\d:\d\d|\d{10}\.\d)")
_FEWEST_LOG_LINES = 5


def kind_by_content(head: bytes, handle: BinaryIO) -> str | None:
    """The format that the content is sure of; None: some text. Raises: Refused for what is no document."""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_archive(handle)
    for beginning, name in _FOREIGN:
        if head.startswith(beginning):
            raise Refused(_encrypted_office(handle) or f"this is {name}")
    if _SVG.match(head[:4096].removeprefix(b"\xef\xbb\xbf")):
        raise Refused("this is a picture (SVG); text in pictures is not read")
    if _HTML.match(head[:4096].removeprefix(b"\xef\xbb\xbf")):
        return "html"
    return "email" if _is_mail(head) else None


def kind_by_name(name: str) -> str | None:
    """The format that a file's name says; None: it says nothing."""
    path = PurePath(name.lower())
    if path.suffix in CODE_ENDINGS or path.name in _CODE_NAMES:
        return "code"
    if re.search(r"\.log(\.\d+)?$", path.name):
        return "log"
    return _BY_ENDING.get(path.suffix)


def kind_of(head: bytes, name: str, handle: BinaryIO) -> tuple[str, str | None]:
    """The format, and what is wrong with the name if it says another. Raises: Refused."""
    found, named = kind_by_content(head, handle), kind_by_name(name)
    if named == "code" and found in ("html", "email"):
        return "code", None  # a template or a test's data
    kind = found or (named if named in TEXT_KINDS else None) or _kind_of_text(head)
    is_wrong = named not in (None, kind)
    return kind, f"the name ends with {PurePath(name).suffix!r}, but the content is {kind}" if is_wrong else None


def _kind_of_text(head: bytes) -> str:
    lines = [line for line in head[:8192].split(b"\n")[:40] if line.strip()]
    stamped = sum(bool(_STAMP.match(line)) for line in lines)
    return "log" if len(lines) >= _FEWEST_LOG_LINES and stamped * 10 >= len(lines) * 6 else "text"


def _kind_of_archive(handle: BinaryIO) -> str:
    try:
        names = set(zipfile.ZipFile(handle).namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Refused(f"the zip archive that it is made of is damaged: {error}") from error
    for name, kind in _OFFICE:
        if name in names:
            return kind
    raise Refused("this is a zip archive; unpack it first")


def _encrypted_office(handle: BinaryIO) -> str | None:
    """An encrypted Office file is an old container with a stream of this name."""
    handle.seek(0)
    found = "EncryptedPackage".encode("utf-16-le") in handle.read(1024**2)
    return "it is encrypted; remove the password in the program that made it" if found else None


def _is_mail(head: bytes) -> bool:
    found = _MAIL.match(head[:16384])
    if not found:
        return False
    fields = {line.split(b":")[0].lower() + b":" for line in found[0].split(b"\n") if b":" in line}
    return b"from:" in fields and sum(field in fields for field in _MAIL_FIELDS) >= 3
