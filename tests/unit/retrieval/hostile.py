"""Files that are made to break a reader, each with what may become of it."""

from __future__ import annotations

import io
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Make = Callable[[Path], object]
GIB = 1024**3
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file to make, under a name."""

    name: str | bytes
    make: Make
    reason: str | None = None
    """Expression that the reason matches if it is refused; None: it must be read."""
    text: str | None = None
    """Expression that is found in the text if it is read; None: it must be refused."""

    @property
    def id(self) -> str:
        """The name without what a terminal would obey."""
        return os.fsdecode(self.name).encode("ascii", "backslashreplace").decode()

    def path(self, folder: Path) -> Path:
        """Where it lies below `folder`."""
        return folder / os.fsdecode(self.name)


def _bytes(data: bytes | str) -> Make:
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data.encode())


def _sparse(beginning: bytes, size: int) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(beginning)
        os.truncate(path, size)

    return make


def zipped(parts: Mapping[str, str]) -> bytes:
    """A zip archive of texts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()


def _flat(filling: bytes, times: int) -> bytes:
    """What unpacks to `filling` so many times, made in no time: a deflated block that is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(filling) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * times + packer.flush()


def zip_bomb(name: str, mebibytes: int, *, declared: int | None = None, mark: bytes = b" ") -> bytes:
    """A zip archive whose one part unpacks to so many mebibytes of `mark`, and says that it has `declared` bytes."""
    filling = mark * (1024**2 // len(mark))
    data, size = _flat(filling, mebibytes), mebibytes * 1024**2 if declared is None else declared
    checksum = 0
    for _ in range(mebibytes if declared is None and mebibytes < 500 else 0):  # a larger one is refused before
        checksum = zlib.crc32(filling, checksum)
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, checksum, len(data), min(size, 2**32 - 2), len(name), 0)
    local = b"PK\3\4" + fields + name.encode()
    central = b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(data), 0)
    return local + data + central + end


def docx(body: str, before: str = "", **parts: str) -> bytes:
    """A Word file with this body."""
    return zipped(
        {"word/document.xml": f'{before}<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>', **parts}
    )


def paragraph(text: str) -> str:
    """A paragraph of a Word file."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def related(kind: str, target: str) -> str:
    """What a part refers to as `r1`."""
    item = f'<Relationship Id="r1" Type="{_R}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_PACKAGE}">{item}</Relationships>'


def xlsx(sheet: str, before: str = "") -> bytes:
    """An Excel file with one sheet."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = (("workbook", "sheet.main"), ("worksheets/s", "worksheet"))
    listed = "".join(f'<Override PartName="/xl/{name}.xml" ContentType="{kind}.{of}+xml"/>' for name, of in types)
    shown = '<sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets>'
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_TYPES}">{listed}</Types>',
            "_rels/.rels": related("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{_S}" xmlns:r="{_R}">{shown}</workbook>',
            "xl/_rels/workbook.xml.rels": related("worksheet", "worksheets/s.xml"),
            "xl/worksheets/s.xml": f'{before}<worksheet xmlns="{_S}">{sheet}</worksheet>',
        }
    )


def pptx(ids: int, slide: str) -> bytes:
    """A PowerPoint file whose one slide is shown so many times."""
    shown = "".join(f'<p:sldId id="{at}" r:id="r1"/>' for at in range(ids))
    return zipped(
        {
            "ppt/presentation.xml": f'<p:presentation xmlns:p="{_P}" xmlns:r="{_R}">{shown}</p:presentation>',
            "ppt/_rels/presentation.xml.rels": related("slide", "slides/one.xml"),
            "ppt/slides/one.xml": slide,
        }
    )


def pdf(objects: Sequence[bytes], end: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, end, len(data))
    return data + head + table + trailer


_CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"
_PAGES = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def page(contents: bytes = b"4 0 R") -> bytes:
    """A page that draws object 4 with the font in object 5."""
    return b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %s/Resources<</Font<</F 5 0 R>>>>>>" % contents


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%s>>\nstream\n" % (len(data), extra) + data + b"\nendstream"


def simple_pdf(words: bytes = b"Hello from page one of a small file", pages: bytes = _PAGES) -> bytes:
    """A PDF of one page."""
    return pdf([_CATALOGUE, pages, page(), stream(b"BT /F 12 Tf 72 700 Td (" + words + b") Tj ET"), _FONT])


def _packed(mebibytes: int, times: int = 1) -> bytes:
    """Blanks, packed so many times over (without the checksum at the end, which no reader gets to)."""
    data = b"\x78\xda" + _flat(b" " * 1024**2, mebibytes)
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def _pdf_bomb(mebibytes: int, times: int) -> Make:
    def make(path: Path) -> None:
        filters = b"/Filter[" + b"/FlateDecode" * times + b"]"
        path.write_bytes(pdf([_CATALOGUE, _PAGES, page(), stream(_packed(mebibytes, times), filters), _FONT]))

    return make


def _encrypted_pdf(path: Path) -> None:
    from pypdf import PdfWriter  # deferred: an optional install

    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)


def _encrypted_office(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le"))


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is at most 108 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def _mail(depth: int) -> str:
    head = "From: a@b.c\nMessage-ID: <1>\nMIME-Version: 1.0\nSubject: nested\n"
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n" for at in range(depth))
    return head + parts + "Content-Type: text/plain\n\nthe end\n"


_LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {chr(98 + at)} '{f'&{chr(97 + at)};' * 100}'>" for at in range(8))
    + "]>"
)
_TABLE = "<tr><td>x</td></tr>"
_DEEP_DOCX = "<w:sdt><w:sdtContent>" * 50_000 + paragraph("deep") + "</w:sdtContent></w:sdt>" * 50_000
_FAR_CELL = '<sheetData><row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>'
_ESCAPES = "\x1b]0;owned\x07\x1b[2Jtext\x9b31m \u202eevil\u202c\u200b end\x00"

ARCHIVES = (
    Hostile("bomb.docx", _bytes(zip_bomb("word/document.xml", 4000)), "unpacks to 4,000 MiB"),
    Hostile("liar.docx", _bytes(zip_bomb("word/document.xml", 1000, declared=1000)), "damaged"),
    Hostile("elements.docx", _bytes(zip_bomb("word/document.xml", 200, mark=b"<aaaaaa>")), "of memory|more than"),
    Hostile("bomb.xlsx", _bytes(zip_bomb("xl/workbook.xml", 4000)), "unpacks to 4,000 MiB"),
    Hostile("bomb.pptx", _bytes(zip_bomb("ppt/presentation.xml", 100)), "no valid XML"),
    Hostile("nested.docx", _bytes(zipped({"0.zip": "PK\3\4", "1.zip": "PK\3\4"})), "zip archive"),
    Hostile("laughs.docx", _bytes(docx(paragraph("&i;"), _LAUGHS)), "entities"),
    Hostile("laughs.xlsx", _bytes(xlsx("<sheetData/>", _LAUGHS)), "entities"),
    Hostile(
        "outside.docx",
        _bytes(docx(paragraph("&x;"), '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>')),
        "entities",
    ),
    Hostile("deep.docx", _bytes(docx(_DEEP_DOCX)), "nested|memory|crashed", "deep"),
    Hostile("no-body.docx", _bytes(zipped({"word/document.xml": "<x/>"})), "no body"),
    Hostile("truncated.docx", _bytes(docx(paragraph("x" * 5000))[:-60]), "damaged"),
    Hostile("encrypted.docx", _encrypted_office, "encrypted"),
    Hostile("old.doc", _bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)), "Office file of before 2007"),
    Hostile("upwards.docx", _bytes(docx(paragraph("inside"), **{"../../outside.xml": "<x/>"})), None, "inside"),
    Hostile(
        "parts.docx",
        _bytes(zipped({f"word/{at}.xml": "" for at in range(20_100)} | {"word/document.xml": ""})),
        "parts",
    ),
    Hostile("far.xlsx", _bytes(xlsx('<dimension ref="A1:XFD1048576"/>' + _FAR_CELL)), None, "far"),
    Hostile("no-sheet.xlsx", _bytes(zipped({"xl/workbook.xml": "<x/>"})), "damaged"),
    Hostile(
        "repeated.pptx", _bytes(pptx(30_000, f'<p:sld xmlns:p="{_P}">{"<p:x/>" * 20_000}</p:sld>')), "30,000 slides"
    ),
    Hostile("missing.pptx", _bytes(pptx(3, "")), "no valid XML"),
)
PDFS = (
    Hostile("bomb.pdf", _pdf_bomb(300, 1), "no page can be read"),
    Hostile("nested-bomb.pdf", _pdf_bomb(1024, 2), "no page can be read"),
    Hostile("cycle.pdf", _bytes(simple_pdf(pages=b"<</Type/Pages/Count 2/Kids[2 0 R 3 0 R]>>")), "damaged", "Hello"),
    Hostile("self.pdf", _bytes(pdf([_CATALOGUE, b"2 0 R"])), "damaged|failed"),
    Hostile("many.pdf", _bytes(simple_pdf(pages=b"<</Type/Pages/Count 100000/Kids[3 0 R]>>")), "100,000", "Hello"),
    Hostile(
        "really-many.pdf",
        _bytes(simple_pdf(pages=b"<</Type/Pages/Count 100000/Kids[" + b"3 0 R " * 100_000 + b"]>>")),
        "100,000 pages|damaged|more than",
    ),
    Hostile("arrays.pdf", _bytes(pdf([_CATALOGUE, b"[" * 100_000])), "damaged|deep|failed"),
    Hostile("truncated.pdf", _bytes(simple_pdf()[:300]), "damaged|failed|page", "Hello"),
    Hostile("encrypted.pdf", _encrypted_pdf, "encrypted"),
    Hostile("header.pdf", _bytes(b"%PDF-1.7\n"), "damaged"),
    Hostile("garbage.pdf", _bytes(b"%PDF-1.7\n" + bytes(range(256)) * 400), "damaged"),
    Hostile(
        "outline.pdf",
        _bytes(
            pdf(
                [
                    b"<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>", _PAGES, page(),
                    stream(b"BT /F 12 Tf 72 700 Td (Hello from a file with a ring in its outline) Tj ET"), _FONT,
                    b"<</First 7 0 R/Last 7 0 R>>",
                    b"<</Title(Ring)/Next 7 0 R/First 6 0 R/Parent 6 0 R/Dest[3 0 R/Fit]>>",
                ]
            )
        ),
        None,
        "Hello",
    ),
    Hostile(
        "form.pdf",
        _bytes(
            pdf(
                [
                    _CATALOGUE, _PAGES,
                    b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>", stream(b"/X Do"),
                    stream(b"/X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</X 5 0 R>>>>"),
                ]
            )
        ),
        None,
        "",
    ),
    Hostile("picture.pdf", _bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), r"picture \(PNG\)"),
    Hostile("really.docx", _bytes(simple_pdf()), None, "Hello"),
)  # fmt: skip
TEXTS = (
    Hostile("empty.pdf", _bytes(b""), "empty"),
    Hostile("zeros.txt", _bytes(bytes(65_536)), "binary"),
    Hostile("sparse.txt", _sparse(b"text\n", GIB), "at most"),
    Hostile("sparse.pdf", _sparse(b"%PDF-1.7\n", GIB), "at most"),
    Hostile("deep.html", _bytes("<html><body>" + "<div>" * 10_000 + "bottom"), None, "bottom"),
    Hostile("deeper.html", _bytes("<html>" + "<b><table>" * 20_000 + "bottom"), "more than|memory|crashed", "bottom"),
    Hostile("tables.html", _bytes("<html>" + ("<table>" + _TABLE) * 500 + "bottom"), None, "bottom"),
    Hostile("page.pdf", _bytes("<!DOCTYPE html><html><p>a page"), None, "a page"),
    Hostile("lie.txt", _bytes(b"\xff\xfe" + b"\xd8\xd8" * 500), "it says that it is utf-16"),
    Hostile("odd.txt", _bytes("wide words".encode("utf-16") + b"x"), None, "wide words"),
    Hostile("no-mark.txt", _bytes("wide words ".encode("utf-16-le") * 9), None, "wide words"),
    Hostile("noise.csv", _bytes(bytes(range(256)) * 100), "binary"),
    Hostile("one-line.txt", _bytes("x" * 5_000_000), None, "xxx"),
    Hostile("too-long.txt", _bytes("word " * 3_400_000), "characters of text"),
    Hostile("open-quote.csv", _bytes('a,b\n1,"' + "x,\n" * 1_000_000), "no valid CSV"),
    Hostile("columns.csv", _bytes(",".join(f"c{at}" for at in range(20_000)) + "\n" + "1," * 20_000), None, "c19999"),
    Hostile("brackets.md", _bytes("[" * 20_000 + "\n\n" + ">" * 20_000 + " x\n\n" + "*a" * 20_000), "more than", "a"),
    Hostile("escapes.log", _bytes(_ESCAPES), None, r"text31m ⟨U\+202E⟩evil⟨U\+202C⟩ end\Z"),
    Hostile("nested.eml", _bytes(_mail(3000)), "nested too deeply"),
    Hostile("charset.eml", _bytes(
        "From: =?no-such?q?a?= <a@b.c>\nMessage-ID: <\nMIME-Version: 1\nSubject: =?utf-8?b?!!!?=\nDate: yesterday\n"
        "Content-Type: text/plain; charset=\"no-such\"\nContent-Transfer-Encoding: base64\n\n####\n"), None, "From"),
    Hostile("parts.eml", _bytes(
        "From: a@b.c\nSubject: broken\nMIME-Version: 1.0\nMessage-ID: <1>\nContent-Type: multipart/mixed\n\n--x\nbody"),
        None, "broken"),
    Hostile("program.docx", _bytes(b"\x7fELF" + bytes(500)), "program"),
)  # fmt: skip
NAMES = (
    Hostile("\x1b[31mred\x07.txt", _bytes("red"), None, "red"),
    Hostile("two\nlines.txt", _bytes("two"), None, "two"),
    Hostile("\u202etxt.fdp", _bytes("turned"), None, "turned"),
    Hostile(b"not-utf-8-\xff\xfe.txt", _bytes("bytes"), None, "bytes"),
    Hostile("-rf.txt", _bytes("dash"), None, "dash"),
    Hostile("loop.pdf", lambda path: path.symlink_to(path), "symbolic links"),
    Hostile("dangling.pdf", lambda path: path.symlink_to(path.parent / "nowhere"), "No such file"),
    Hostile("device.txt", lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    Hostile("pipe.txt", os.mkfifo, "no regular file"),
    Hostile("socket.txt", _socket, "cannot be read|no regular file"),
    Hostile("folder.pdf", lambda path: path.mkdir(), "folder"),
)
ALL = (*ARCHIVES, *PDFS, *TEXTS, *NAMES)
