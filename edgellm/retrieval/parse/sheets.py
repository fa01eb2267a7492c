"""Excel files (.xlsx, SpreadsheetML), read with openpyxl."""

from __future__ import annotations

import datetime
import warnings
import zipfile
import zlib
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl

from edgellm.retrieval.parse.build import Builder
from edgellm.retrieval.parse.office import Parts
from edgellm.retrieval.parse.refusal import Refused
from edgellm.retrieval.parse.tables import Table

_BROKEN = (
    ArithmeticError, AttributeError, LookupError, OSError, ParseError, TypeError, ValueError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What openpyxl raises for damaged files."""


def read(handle: BinaryIO, builder: Builder) -> None:
    """Each sheet is a page under its name; each row has its column names; hidden sheets are left out.

    Formulas give the value that was last computed. Raises: Refused.
    """
    parts = Parts(handle)
    builder.title, builder.written = parts.described()
    parts.check()
    handle.seek(0)
    warnings.simplefilter("ignore")  # of styles and extensions that it does not know
    try:
        book = openpyxl.load_workbook(handle, read_only=True, data_only=True, keep_links=False)
        builder.pages = len(book.sheetnames)
        for number, name in enumerate(book.sheetnames, 1):
            _read_sheet(book[name], number, builder)
    except _BROKEN as error:
        raise Refused(f"the workbook is damaged: {error}") from error


def _read_sheet(sheet: Any, number: int, builder: Builder) -> None:
    if sheet.sheet_state != "visible":
        builder.notice(f"the sheet {sheet.title!r} is hidden and was left out")
        return
    if not hasattr(sheet, "reset_dimensions"):  # a sheet with nothing but a chart
        return
    sheet.reset_dimensions()  # what the file says about them can be a lie
    builder.heading(sheet.title, 1, number)
    table = Table(builder, number)
    for row in sheet.iter_rows(values_only=True):
        if any(value is not None for value in row):
            table.add([shown(value) for value in row])
    table.end()


def shown(value: object) -> str:
    """A cell's value as people write it: days without a time, whole numbers without a dot."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)
