"""Office files: headings, paragraphs, tables, slides, notes, sheets."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import pytest

from edgellm.retrieval.parse import office, slides, word
from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.files import parse_file
from edgellm.retrieval.parse.office import Parts
from edgellm.retrieval.parse.refusal import Refused
from tests.unit.retrieval.hostile import docx, paragraph, pptx, zipped
from tests.unit.retrieval.parse.reading import blocks

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STYLES = f"""<w:styles xmlns:w="{WORD}">
<w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>
<w:style w:styleId="Own"><w:name w:val="My own"/><w:basedOn w:val="H2"/></w:style>
<w:style w:styleId="Ring"><w:name w:val="a"/><w:basedOn w:val="Ring"/></w:style>
<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style></w:styles>"""
CORE = (
    '<c xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:t="http://purl.org/dc/terms/">'
    "<dc:title>Yearly report</dc:title><t:modified>2024-05-06T07:08:09Z</t:modified></c>"
)
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'


def styled(style: str, text: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


def read_word(body: str, **parts: str) -> Builder:
    builder = Builder("docx")
    word.read(io.BytesIO(docx(body, **{"word/styles.xml": STYLES, **parts})), builder)
    return builder


def test_headings_of_a_word_file_are_told_by_their_styles() -> None:
    body = styled("Titel", "Book") + styled("Own", "Part") + styled("Ring", "Words.") + styled("None", "More.")
    assert blocks(read_word(body)) == ["heading1: Book", "heading2: Part", "text: Words.", "text: More."]


def test_tables_and_lists_of_a_word_file_keep_their_lines() -> None:
    row = "<w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>"
    table = "<w:tbl>" + row.format(paragraph("Name"), paragraph("Age")) + row.format(paragraph("Al"), paragraph("3"))
    item = "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>"
    found = blocks(read_word(table + "</w:tbl>" + item.format("one") + item.format("two")))
    assert found == ["table: Name | Age\nAl | 3", "text: - one\n- two"]


def test_only_what_a_reader_of_a_word_file_sees_is_read() -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new </w:t></w:r></w:ins>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>"
        "<w:moveFrom><w:r><w:t>moved away</w:t></w:r></w:moveFrom>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert blocks(read_word(f"<w:sdt><w:sdtContent>{body}</w:sdtContent></w:sdt>")) == ["text: new link"]


def test_notes_and_what_a_file_says_about_itself_are_read() -> None:
    notes = {
        f"word/{kind}s.xml": f'<w:n xmlns:w="{WORD}"><w:{kind}>{paragraph(f"See the {kind}.")}</w:{kind}></w:n>'
        for kind in ("footnote", "endnote")
    }
    document = read_word(paragraph("Text."), **{"docProps/core.xml": CORE, **notes}).document()
    assert blocks(document) == ["text: Text.", "text: See the footnote.", "text: See the endnote."]
    assert (document.title, document.written) == ("Yearly report", "2024-05-06")


def slide(*shapes: str) -> str:
    return f"<p:sld {P} {A}>{''.join(shapes)}</p:sld>"


def shape(text: str, kind: str = "") -> str:
    mark = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>' if kind else ""
    lines = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:sp>{mark}<p:txBody>{lines}</p:txBody></p:sp>"


def test_slides_are_pages_and_their_titles_headings() -> None:
    table = "<a:tbl><a:tr><a:tc><a:p><a:t>x</a:t></a:p></a:tc><a:tc><a:p><a:t>y</a:t></a:p></a:tc></a:tr></a:tbl>"
    builder = Builder("pptx")
    content = slide(shape("one\ntwo"), f"<p:grpSp>{table}</p:grpSp>", shape("Plan", "title"), shape("7", "sldNum"))
    slides.read(io.BytesIO(pptx(2, content)), builder)
    page = ["heading1 p{}: Plan", "text p{}: one\ntwo", "table p{}: x | y"]
    assert blocks(builder) == [line.format(number) for number in (1, 2) for line in page]
    assert builder.document().pages == 2


def test_a_hidden_slide_is_left_out_and_told() -> None:
    builder = Builder("pptx")
    slides.read(io.BytesIO(pptx(1, f'<p:sld {P} {A} show="0">{shape("secret")}</p:sld>')), builder)
    assert builder.document().notices == ("slide 1 is hidden and was left out",)
    assert not builder.document().text


def test_a_workbook_has_a_page_for_each_sheet_and_names_in_each_row(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    people = book.active
    people.title = "People"
    for row in (["All of them"], [], ["Name", "Age", "Born"], ["Al", 30, datetime.date(1994, 1, 2)], ["Bo", 1.5, None]):
        people.append(row)
    book.create_sheet("Secret").sheet_state = "hidden"
    book.create_sheet("Numbers").append([1, 2])
    book.save(tmp_path / "a.xlsx")
    document = parse_file(tmp_path / "a.xlsx")
    assert blocks(document) == [
        "heading1 p1: People",
        "text p1: All of them",
        "table p1: Name: Al | Age: 30 | Born: 1994-01-02",
        "table p1: Name: Bo | Age: 1.5",
        "heading1 p3: Numbers",
        "table p3: 1 | 2",
    ]
    assert document.notices == ("the sheet 'Secret' is hidden and was left out",)


def test_parts_that_unpack_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "UNPACKED_LIMIT_BYTES", 100)
    with pytest.raises(Refused, match="at most 256 MiB"):
        Parts(io.BytesIO(zipped({"a.xml": "x" * 101})))
