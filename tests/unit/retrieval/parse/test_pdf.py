"""PDF files: pages, headings by outline or size, paragraphs, tables, scans."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

pytest.importorskip("pypdf")

from pypdf import PageObject, PdfReader, PdfWriter

from edgellm.retrieval.parse import pdf
from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.pdf import joined, ranges
from edgellm.retrieval.parse.pdf_lines import PageLines
from edgellm.retrieval.parse.refusal import Refused
from edgellm.retrieval.values import Document
from tests.unit.retrieval import hostile
from tests.unit.retrieval.parse.reading import blocks

Words = tuple[int, int, int, str]
"""Size, x, y, text."""


def drawn(words: Sequence[Words]) -> bytes:
    parts = (b"BT /F %d Tf %d %d Td (%s) Tj ET" % (size, x, y, text.encode()) for size, x, y, text in words)
    return hostile.stream(b"\n".join(parts))


def file(pages: Sequence[Sequence[Words]], *more: bytes, end: bytes = b"", root: bytes = b"") -> bytes:
    """A PDF of these pages: objects 1 to 3 are catalogue, pages and font, then come page and content in turn."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(len(pages)))
    objects = [b"<</Type/Catalog/Pages 2 0 R%s>>" % root, b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids)]
    objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    for at, words in enumerate(pages):
        of = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>>>"
        objects += [of % (5 + 2 * at), drawn(words)]
    return hostile.pdf([*objects, *more], end)


def read(data: bytes) -> Document:
    builder = Builder("pdf")
    pdf.read(io.BytesIO(data), builder)
    return builder.document()


def line(at: int, text: str, size: int = 10) -> Words:
    return (size, 72, 700 - 12 * at, text)


def test_lines_are_paragraphs_of_a_page() -> None:
    found = read(file([[line(0, "One begins"), line(1, "and ends."), line(4, "Two.")], [line(0, "Next page.")]]))
    assert blocks(found) == ["text p1: One begins\nand ends.", "text p1: Two.", "text p2: Next page."]
    assert found.pages == 2


def test_larger_lines_are_headings_by_their_size() -> None:
    words = [
        line(0, "Book", 20), line(2, "Part 1", 14), line(3, "Running words of the first part of it."),
        line(6, "Part 2", 14), line(7, "Running words of the second part."),
    ]  # fmt: skip
    assert blocks(read(file([words])))[:3] == [
        "heading1 p1: Book", "heading2 p1: Part 1", "text p1: Running words of the first part of it.",
    ]  # fmt: skip


def test_an_outline_says_what_is_a_heading() -> None:
    words = [
        line(0, "1.2 Go-"),
        line(1, "ing on"),
        line(2, "Words below it."),
        line(3, "Going on"),
        line(6, "Large print", 20),
    ]
    outline = [b"<</First 7 0 R/Last 7 0 R/Count 1>>", b"<</Title(Going on)/Parent 6 0 R/Dest[4 0 R/Fit]>>"]
    found = read(file([words], *outline, root=b"/Outlines 6 0 R"))
    assert blocks(found) == ["heading1 p1: 1.2 Going on", "text p1: Words below it.\nGoing on", "text p1: Large print"]


def test_words_are_apart_though_the_font_says_that_a_blank_is_wide() -> None:
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Own/FirstChar 32/LastChar 32/Widths[1000]>>"
    content = hostile.stream(b"BT /F 10 Tf 72 700 Td [(two)-287(wor)-20(ds)] TJ ET")
    data = hostile.pdf(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", hostile.page(), content, font]
    )
    assert blocks(read(data)) == ["text p1: two words"]


def test_rows_of_a_table_keep_their_cells_apart() -> None:
    words = [(10, x, 700 - 12 * row, text) for row, cells in enumerate((("Name", "Age"), ("Al", "30"))) for x, text in
             zip((72, 200), cells, strict=True)]  # fmt: skip
    assert blocks(read(file([[*words, line(4, "Below.")]]))) == ["table p1: Name | Age\nAl | 30", "text p1: Below."]


def test_running_titles_and_page_numbers_are_left_out() -> None:
    pages = [[line(0, f"Chapter {at}: All"), line(3, f"Words {at * 'x'}."), line(50, f"{at}")] for at in range(1, 6)]
    assert blocks(read(file(pages))) == [f"text p{at}: Words {at * 'x'}." for at in range(1, 6)]


def test_title_and_day_are_the_files_own() -> None:
    info = b"<</Title(Report)/CreationDate(D:20240131120000Z)>>"
    found = read(file([[line(0, "Some words on it.")]], info, end=b"/Info 6 0 R"))
    assert (found.title, found.written) == ("Report", "2024-01-31")


def test_pages_that_are_pictures_are_told() -> None:
    picture = hostile.stream(
        b"\0", b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"
    )
    data = file([[line(0, "A page with words on it.")], [], []], picture)
    shown = data.replace(b"/Font<</F 3 0 R>>", b"/XObject<</X 10 0 R>>", 3).replace(b"/XObject", b"/Font", 1)
    found = read(shown)
    assert found.notices == ("pages 2-3 are scanned pictures; text in pictures is not read",)


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_file_is_refused_and_one_with_an_empty_password_read(algorithm: str) -> None:
    for password, is_read in (("secret", False), ("", True)):
        writer = PdfWriter(clone_from=PdfReader(io.BytesIO(hostile.simple_pdf())))
        writer.encrypt(password, owner_password="other", algorithm=algorithm)
        stream = io.BytesIO()
        writer.write(stream)
        if is_read:
            assert "Hello" in read(stream.getvalue()).text
        else:
            with pytest.raises(Refused, match="encrypted"):
                read(stream.getvalue())


def test_a_page_that_is_damaged_is_told_and_the_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    of = PageLines.of

    def broken(page: PageObject, number: int) -> PageLines:
        if number == 2:
            raise ValueError("bad operand")
        return of(page, number)

    monkeypatch.setattr(PageLines, "of", broken)
    found = read(file([[line(0, "First.")], [line(0, "Second.")], [line(0, "Third.")]]))
    assert blocks(found) == ["text p1: First.", "text p3: Third."]
    assert found.notices == ("page 2 could not be read: ValueError: bad operand",)


@pytest.mark.parametrize(("numbers", "words"), [([1], "1"), ([1, 2, 3, 7], "1-3, 7"), ([2, 4, 5], "2, 4-5"), ([], "")])
def test_numbers_in_a_row_are_a_range(numbers: list[int], words: str) -> None:
    assert ranges(numbers) == words


def test_divided_words_are_whole_and_dots_that_lead_to_a_number_short() -> None:
    assert joined(["an exam-", "ple of X-", "Ray"]) == "an example of X-\nRay"
    assert joined(["Preface . . . . . . . 3"]) == "Preface … 3"
