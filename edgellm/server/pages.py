"""Lists in OpenAI's shape, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST = 10_000


class PageQuery(BaseModel):
    """Which part of a list, behind the question mark of its address; what is not declared is refused by its name."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST)] = 100
    after: Annotated[str, Field(max_length=128)] | None = None
    """The id of the last one seen."""


class OrderedQuery(PageQuery):
    """The same, newest or oldest first."""

    order: Literal["asc", "desc"] = "desc"


def page_of(data: Sequence[dict[str, Any]], query: PageQuery) -> dict[str, Any]:
    """The part of the list that was asked for. An id that is not in it leads to the beginning of nothing."""
    ids = [each["id"] for each in data]
    start = 0 if query.after is None else ids.index(query.after) + 1 if query.after in ids else len(ids)
    shown = list(data[start : start + query.limit])
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return {"object": "list", "data": shown, "has_more": start + query.limit < len(data), **ends}
