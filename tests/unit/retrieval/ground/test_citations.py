"""Citations: kept where they hold, removed and counted where not, added where a passage says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.ground.citations import check
from tests.unit.retrieval.ground.hits import FARES, KEEPER, passage

PASSAGES = [passage(1, FARES, 100), passage(2, KEEPER, 700)]


def test_a_citation_that_holds_points_at_its_sentence() -> None:
    found = check("Children under ten travel free [1].", PASSAGES)
    (citation,) = found.citations
    assert found.text == "Children under ten travel free [1]."
    assert (citation.n, citation.file, citation.page, citation.is_added) == (1, "/docs/fares.pdf", 3, False)
    assert citation.text == "Children under ten travel free on the ferry."
    assert (citation.start, citation.end) == (100 + FARES.index("Children"), 100 + len(FARES))
    assert (citation.score, found.removed, found.unsupported) == (1.0, 0, ())


@pytest.mark.parametrize("answer", ["A ticket costs nine crowns. [1]", "A ticket costs nine crowns [ 1 ]."])
def test_a_citation_belongs_to_the_sentence_before_it(answer: str) -> None:
    found = check(f"{answer} Ruben Astley keeps the lamp [2].", PASSAGES)
    assert found.text == "A ticket costs nine crowns [1]. Ruben Astley keeps the lamp [2]."
    assert [citation.n for citation in found.citations] == [1, 2]


@pytest.mark.parametrize("cited", ["[passage 1]", "[Passages 1, 7, and 2]", "[^1]", "[1 and 7]", "[1 & 2]"])
def test_however_a_model_writes_a_citation_it_is_checked(cited: str) -> None:
    found = check(f"A ticket costs nine crowns {cited}.", PASSAGES)
    assert found.text == "A ticket costs nine crowns [1]."
    assert found.removed == cited.count("7") + cited.count("2")


@pytest.mark.parametrize(("answer", "removed"), [("Costs nine crowns [7].", 1), ("Costs nine crowns [2, 9].", 2)])
def test_citations_of_nothing_or_of_the_wrong_passage_are_replaced(answer: str, removed: int) -> None:
    found = check(answer, PASSAGES)
    assert (found.text, found.removed) == ("Costs nine crowns [1].", removed)
    assert [citation.is_added for citation in found.citations] == [True]


@pytest.mark.parametrize(
    "answer", ["The moon is made of green cheese [1].", "A ticket costs 9000 crowns.", "Wilhelm bought four boats."]
)
def test_what_no_passage_says_is_marked(answer: str) -> None:
    found = check(f"Ruben Astley keeps the lamp. {answer}", PASSAGES)
    ((begin, end),) = found.unsupported
    assert found.text[begin:end] == answer.replace(" [1]", "")
    assert [citation.n for citation in found.citations] == [2]


def test_a_sentence_that_says_next_to_nothing_gets_no_citation_by_chance() -> None:
    found = check("The lamp: Ruben Astley keeps it.", PASSAGES)
    assert check("The lamp:", PASSAGES).text == "The lamp:"
    assert found.text == "The lamp: Ruben Astley keeps it [2]."


def test_one_word_that_a_passage_holds_is_no_doubt() -> None:
    assert check("Nine.", PASSAGES).unsupported == ()
    assert check("Eleven!", PASSAGES).unsupported == ((0, 7),)


LIST = [passage(1, "Take items[0] or items[1] for the first ticket of the list. Children travel free.")]
BLOCK = "```python\nfirst = items[1]\n\nlast = items[2]  # the first ticket of the list\n```"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Take items[0] for the first ticket.", "Take items[0] for the first ticket [1]."),
        ("Take `items[1]` for the first ticket [1].", "Take `items[1]` for the first ticket [1]."),
        (f"The first ticket of the list [1]:\n{BLOCK}\nChildren travel free.", None),
        ("```\nitems[1]", "```\nitems[1]"),
    ],
)
def test_an_index_in_code_is_no_citation(answer: str, text: str | None) -> None:
    found = check(answer, LIST)
    if text is None:
        text = f"The first ticket of the list: [1]\n{BLOCK}\nChildren travel free [1]."
    assert (found.text, found.removed, found.unsupported) == (text, 0, ())


def test_both_passages_may_be_named() -> None:
    found = check("Nine crowns [1][2].", [passage(1, FARES), passage(2, FARES, 900)])
    assert found.text == "Nine crowns [1][2]."
    assert found.removed == 0


@given(st.text(alphabet=st.sampled_from("[]1234,; .!?aNine crowns\n`"), max_size=80))
def test_any_answer_keeps_only_citations_that_exist(answer: str) -> None:
    found = check(answer, PASSAGES)
    assert {citation.n for citation in found.citations} <= {1, 2}
    for begin, end in found.unsupported:
        assert found.text[begin:end].strip()
    assert check(found.text, PASSAGES).citations == tuple(
        citation for citation in check(found.text, PASSAGES).citations if not citation.is_added
    )
