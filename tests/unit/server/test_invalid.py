"""What was found wrong with a body, in words for whoever sent it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgellm.server.bodies import ChatBody
from edgellm.server.dialects.documents import SearchBody
from edgellm.server.invalid import invalid


def message(kind: type[Any], body: Any) -> str:
    with pytest.raises(ValidationError) as found:
        kind.model_validate(body)
    findings = [{**each, "loc": ("body", *each["loc"])} for each in found.value.errors()]
    return invalid(findings, body).message


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (ChatBody, [], "body is []; it must be an object."),
        (ChatBody, {"model": "m", "messages": []}, "messages is []; it must have at least 1 item."),
        (ChatBody, {"model": "m", "messages": 1}, "messages is 1; it must be a valid list."),
        (
            SearchBody,
            {"query": "x"},
            "The field 'query' is not known here; leave it out. The field 'question' is missing.",
        ),
        (SearchBody, {"question": "x", "k": 1}, "The field 'k' is not known here; leave it out."),
        (SearchBody, {}, "The field 'question' is missing."),
    ],
)
def test_a_finding_in_plain_words(kind: type[Any], body: Any, said: str) -> None:
    assert message(kind, body) == said
