"""Who is judged: names, identities, passages, and a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import EngineError, InvalidInput
from edgellm.evals.values import Asked, Support
from edgellm.sdk.addressing import is_address, target_of
from edgellm.sdk.eval_ground import checked, passages_of, support_of
from edgellm.sdk.eval_subjects import LocalSubject, RemoteSubject
from edgellm.sdk.facade import EdgeLLM
from edgellm.types import Citation, Evidence, Message, Sampling

TEXTS = ("A single ticket costs 6 crowns.", "The ferry leaves from Harle pier.")


@pytest.mark.parametrize(
    ("name", "model", "collection"),
    [
        ("starter", "starter", None),
        ("starter@ferry", "starter@ferry", None),
        ("starter@ferry+docs", "starter@ferry", "docs"),
        ("starter+docs", "starter", "docs"),
        ("a+b.gguf", "a+b.gguf", None),
        ("dir+1/a.gguf+docs", "dir+1/a.gguf", "docs"),
        ("fake:says=a+b", "fake:says=a+b", None),
    ],
)
def test_names_are_taken_apart(name: str, model: str, collection: str | None) -> None:
    found = target_of(name)
    assert (found.model, found.collection) == (model, collection)
    assert str(found) == name


def test_a_name_without_its_parts() -> None:
    for name in ("starter+", "+docs"):
        with pytest.raises(InvalidInput, match="no collection behind the plus"):
            target_of(name)
    assert is_address("http://127.0.0.1:8000#starter")
    assert not is_address("starter")


def test_a_model_has_an_identity_of_its_own(edge: EdgeLLM) -> None:
    one, two, same = (
        LocalSubject(edge.evals.means, name, target_of(name)).identity for name in ("fake:", "fake:says=x", "fake:")
    )
    assert one == same
    assert one != two
    assert len(one) == 64


def test_an_answer_from_given_passages_is_held_against_them(tmp_path: Path) -> None:
    says = "fake:says=A%20single%20ticket%20costs%206%20crowns%20%5B1%5D.%20The%20captain%20is%20Joan%20Parry."
    with EdgeLLM(says, home=tmp_path / "home") as edge:
        subject = LocalSubject(edge.evals.means, says, target_of(says))
        messages = (Message(role="user", content="What does it cost?"),)
        said = subject.answer(Asked(messages=messages, sampling=Sampling(temperature=0), passages=TEXTS))
    assert said.support == Support(claims=2, unsupported=("The captain is Joan Parry.",), cited=1, held=1)
    assert said.text.startswith("A single ticket costs 6 crowns [1].")
    assert said.completion_tokens > 0


def test_support_counts_only_what_the_model_cited_itself() -> None:
    passages = passages_of(TEXTS)
    _, own = checked("A single ticket costs 6 crowns [1]. The ferry leaves from Harle pier [1].", passages)
    assert (own.claims, own.cited, own.held, own.removed, own.unsupported) == (2, 1, 1, 1, ())
    _, added = checked("A single ticket costs 6 crowns.", passages)
    assert (added.claims, added.cited, added.held) == (1, 0, 0)
    _, nothing = checked("", passages)
    assert nothing == Support(claims=0)


def test_code_is_no_claim() -> None:
    text = "```\nprint([1])\n```\nA single ticket costs 6 crowns [1]."
    citation = Citation(n=1, chunk_id=1, file="f", page=None, headings=(), text="t", start=0, end=1, score=1.0)
    assert support_of(text, Evidence(collection="", citations=(citation,))).claims == 1


def test_a_servers_answers_are_kept_for_one_run_alone() -> None:
    first, again, other = (RemoteSubject("http://127.0.0.1:9#m", run, {}) for run in ("a", "a", "b"))
    try:
        assert first.identity == again.identity
        assert first.identity != other.identity
        with pytest.raises(EngineError, match="No EdgeLLM server answers"):
            _ = first.can_weigh
        with pytest.raises(InvalidInput, match="planted"):
            first.answer(Asked(messages=(), sampling=Sampling(), planted="x"))
    finally:
        for each in (first, again, other):
            each.close()
