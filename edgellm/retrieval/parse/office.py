"""The parts of an Office Open XML file (ECMA-376), within limits."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from typing import BinaryIO
from xml.etree import ElementTree

from edgellm.retrieval.parse.refusal import Refused

UNPACKED_LIMIT_BYTES = 256 * 1024**2
MOST_PARTS = 20_000
_DECLARATION_BYTES = 8192
Element = ElementTree.Element
_RELATED = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_CORE = {
    "title": "{http://purl.org/dc/elements/1.1/}title",
    "modified": "{http://purl.org/dc/terms/}modified",
    "created": "{http://purl.org/dc/terms/}created",
}


class Parts:
    """An archive's XML parts; one reader may unpack 256 MiB in all."""

    def __init__(self, handle: BinaryIO) -> None:
        """Raises: Refused for an archive that is damaged, too large or unsafe."""
        try:
            self._archive = zipfile.ZipFile(handle)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise Refused(f"the zip archive that it is made of is damaged: {error}") from error
        infos = self._archive.infolist()
        if len(infos) > MOST_PARTS:
            raise Refused(f"it has {len(infos):,} parts; at most {MOST_PARTS:,} are read")
        texts = [info for info in infos if info.filename.endswith((".xml", ".rels", ".vml"))]
        unpacked = sum(info.file_size for info in texts)
        if unpacked > UNPACKED_LIMIT_BYTES:
            raise Refused(f"its text unpacks to {unpacked / 1024**2:,.0f} MiB; at most 256 MiB are read")
        if any(info.flag_bits & 1 for info in infos):
            raise Refused("it is encrypted; remove the password in the program that made it")
        self.names = frozenset(info.filename for info in infos)
        """Of all parts."""

    def xml(self, name: str) -> Element | None:
        """The part's root; None where the archive has no such part. Raises: Refused."""
        if name not in self.names:
            return None
        data = self._data(name)
        try:
            return ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise Refused(f"its part {name!r} is no valid XML: {error}") from error

    def check(self) -> None:
        """Look into every part before another library unpacks them. Raises: Refused."""
        for name in self.names:
            if name.endswith((".xml", ".rels")):
                self._data(name, _DECLARATION_BYTES)

    def _data(self, name: str, most: int = UNPACKED_LIMIT_BYTES) -> bytes:
        """The first bytes of a part, never more than it says that it has.

        Raises: Refused, also for entities: the format has no use for them, others have: they unpack to gigabytes.
        """
        try:
            with self._archive.open(name) as part:
                data = part.read(min(most, self._archive.getinfo(name).file_size))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, zlib.error) as error:
            raise Refused(f"its part {name!r} is damaged: {error}") from error
        if b"<!DOCTYPE" in data[:_DECLARATION_BYTES] or b"<!ENTITY" in data[:_DECLARATION_BYTES]:
            raise Refused(f"its part {name!r} defines XML entities, which such a file never does")
        return data

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part refers to: by id, the last word of the relation's type and the other part's name."""
        folder, base = posixpath.split(name)
        root = self.xml(f"{folder}/_rels/{base}.rels")
        found: dict[str, tuple[str, str]] = {}
        for item in root.iter(_RELATED) if root is not None else ():
            target = item.get("Target", "")
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[item.get("Id", "")] = (item.get("Type", "").rpartition("/")[2], path)
        return found

    def described(self) -> tuple[str | None, str | None]:
        """Title and the ISO day of the last change, as far as the file says them."""
        root = self.xml("docProps/core.xml")
        if root is None:
            return None, None
        title, day = root.findtext(_CORE["title"]), root.findtext(_CORE["modified"]) or root.findtext(_CORE["created"])
        return title or None, day[:10] if day and len(day) >= 10 else None
