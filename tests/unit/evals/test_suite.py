"""Suite files: what is read, and how what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgellm.errors import DataRejected, NotFound
from edgellm.evals.scorers import SCORERS
from edgellm.evals.suite import SHIPPED, Suite, find_suite, read_suite, suites_in

HEAD = 'schema = 1\nname = "s"\nscore = "contains"\n'


def read(tmp_path: Path, text: str, name: str = "s.toml") -> Suite:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_suite(path)


def refused(tmp_path: Path, text: str, name: str = "s.toml") -> DataRejected:
    with pytest.raises(DataRejected) as found:
        read(tmp_path, text, name)
    return found.value


def test_a_suite_with_every_common_field(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """schema = 1
name = "ferry"
version = "2"
description = "About the ferry."
system = "Be short."
score = "contains"
max_tokens = 20

[[case]]
prompt = "What?"
expected = "6"

[[case]]
id = "b"
category = "fares"
group = "fare"
messages = [{role = "user", content = "A"}, {role = "assistant", content = "B"}, {role = "user", content = "C"}]
score = "number"
expected = [6, "7.5"]
unit = "m"
samples = 3
temperature = 0.5
max_tokens = 5
""",
    )
    assert (found.name, found.version, found.description) == ("ferry", "2", "About the ferry.")
    first, second = found.cases
    assert (first.id, first.group, first.category, first.score, first.expected) == ("1", "1", "", "contains", ("6",))
    assert [(each.role, each.content) for each in first.messages] == [("system", "Be short."), ("user", "What?")]
    assert (first.sampling.temperature, first.sampling.max_tokens, first.samples) == (0.0, 20, 1)
    assert (second.id, second.group, second.expected) == ("b", "fare", ("6", "7.5"))
    assert second.options == {"unit": "m"}
    assert (second.sampling.temperature, second.sampling.max_tokens, second.samples) == (0.5, 5, 3)
    assert second.question == "C"
    assert second.suite == "ferry"


def test_cases_from_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"prompt": "A", "contains": "x"}\n\n{"prompt": "B", "exact": ["y", "z"]}\n')
    found = read(tmp_path, 'schema = 1\nname = "s"\ncases = "q.jsonl"\n')
    assert [(case.score, case.expected) for case in found.cases] == [("contains", ("x",)), ("exact", ("y", "z"))]
    before = found.sha256
    (tmp_path / "q.jsonl").write_text('{"prompt": "A", "contains": "y"}\n')
    assert read_suite(tmp_path / "s.toml").sha256 != before, "the hash covers the questions"
    assert suites_in(tmp_path) == [tmp_path / "q.jsonl", tmp_path / "s.toml"]


def test_a_bare_file_of_questions_is_a_suite(tmp_path: Path) -> None:
    found = read(tmp_path, '\ufeff{"prompt": "A", "expected": "x"}\n', "held_out.jsonl")
    assert (found.name, found.cases[0].score, found.cases[0].expected) == ("held_out", "contains", ("x",))


def test_the_lighthouse_questions_are_a_suite() -> None:
    path = Path(__file__).parents[3] / "examples" / "lighthouse" / "held_out.jsonl"
    assert len(read_suite(path).cases) == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "s"', "`schema` is None"),
        ("schema = 2", "`schema` is 2"),
        ("schema = ", "no TOML"),
        (HEAD + 'descripton = "x"', "'descripton' is not known. Did you mean 'description'?"),
        ('schema = 1\nname = "../s"', "`name` is '../s'"),
        (HEAD, "has no case"),
        (HEAD + 'cases = "nowhere.jsonl"', "cannot be read"),
        (HEAD + 'cases = "x"\n[[case]]\nprompt = "A"', "one of them"),
        (HEAD + "case = 3", "must be tables"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, text: str, words: str) -> None:
    assert words in str(refused(tmp_path, text))


@pytest.mark.parametrize(
    ("case", "words", "field"),
    [
        ('prompt = "A"\nexpectd = "x"', "'expectd' is not known for 'contains'. Did you mean 'expected'?", "expectd"),
        ('prompt = "A"', "'contains' needs `expected`", "expected"),
        ('expected = "x"', "a case has a `prompt`, or else `messages`", "prompt"),
        ('prompt = " "\nexpected = "x"', "`prompt` is ' '; it must be a text that is not blank", "prompt"),
        ('prompt = "A"\nexpected = "x"\nscore = "contain"', "Did you mean 'contains'?", "score"),
        ('prompt = "A"\nexpected = "("\nscore = "regex"', "which is no pattern", "expected"),
        ('prompt = "A"\nexpected = "x"\nsamples = 2', "several samples at temperature 0", "samples"),
        ('prompt = "A"\nexpected = "x"\nsamples = 101\ntemperature = 1', "at most 100", "samples"),
        ('prompt = "A"\nexpected = "x"\ntemperature = 9', "temperature is 9", "temperature"),
        ('prompt = "A"\nexpected = "x"\nsamples = 0', "`samples` is 0; it must be a whole number", "samples"),
        ('prompt = "A"\nexpected = "six"\nscore = "number"', "which is no number", "expected"),
        ('prompt = "A"\nexpected = "!"', "no word is left", "expected"),
        ('prompt = "A"\nscore = "leak"', "'leak' needs the field 'forbidden'", "forbidden"),
        ('prompt = "A"\nscore = "leak"\nforbidden = ["abcd"]\nexpected = "x"', "'leak' has no `expected`", "expected"),
        ('prompt = "A"\nscore = "schema"\nschema = {format = "date"}', "what is not checked here: format", "schema"),
        ('messages = [{role = "boss", content = "A"}]\nexpected = "x"', "`messages` is not understood", "messages"),
        ('messages = [{role = "system", content = "A"}]\nexpected = "x"', "no turn of the user", "messages"),
        ('prompt = "A"\nexpected = "x"\ntools = [{nme = "f"}]', "`tools` must be", "tools"),
    ],
)  # fmt: skip
def test_a_wrong_case_is_named_with_its_line(tmp_path: Path, case: str, words: str, field: str) -> None:
    text = f'{HEAD}[[case]]\nprompt = "fine"\nexpected = "x"\n\n[[case]]\n{case}\n'
    found = refused(tmp_path, text)
    assert words in str(found)
    assert found.facts["line"] == 8
    assert f"{tmp_path / 's.toml'}:8: " in found.message
    assert found.facts["field"] == field


def test_a_wrong_line_of_questions_is_named(tmp_path: Path) -> None:
    good = '{"prompt": "A", "expected": "x"}\n'
    for line, words in (("{", "no JSON"), ("[]", "no JSON object"), ('{"prompt": 3}', "`prompt` is 3")):
        found = refused(tmp_path, f"{good}\n{line}\n", "q.jsonl")
        assert words in found.message
        assert found.facts["line"] == 3


def test_two_cases_with_one_id_are_refused(tmp_path: Path) -> None:
    row = '[[case]]\nid = "a"\nprompt = "A"\nexpected = "x"\n'
    assert "an earlier case has" in str(refused(tmp_path, HEAD + row + row))


def test_suites_are_found_by_name_and_path(tmp_path: Path) -> None:
    own = tmp_path / "ferry.toml"
    own.write_text(HEAD + '[[case]]\nprompt = "A"\nexpected = "x"')
    assert find_suite("ferry", tmp_path) == own
    assert find_suite(str(own), Path("nowhere")) == own
    assert find_suite("general", tmp_path) == SHIPPED / "general.toml"
    with pytest.raises(NotFound, match="Did you mean 'ferry'"):
        find_suite("fery", tmp_path)
    with pytest.raises(NotFound, match="no suite file"):
        find_suite("fery.toml", tmp_path)


@pytest.mark.parametrize("path", suites_in(SHIPPED), ids=lambda path: path.stem)
def test_what_ships_is_sound_and_says_its_limits(path: Path) -> None:
    found = read_suite(path)
    assert found.name == path.stem
    assert len(found.cases) >= 8
    assert len(found.description) > 100
    assert all(case.score in SCORERS for case in found.cases)


def test_what_ships_is_as_many_as_it_says() -> None:
    counted = {path.stem: len(read_suite(path).cases) for path in suites_in(SHIPPED)}
    assert counted == {
        "bias": 30, "choices": 24, "general": 40, "grounding": 16, "injection": 90, "injection-documents": 18,
        "leakage": 18, "privacy": 10, "refusal": 24, "toxicity": 24,
    }  # fmt: skip


def test_every_pattern_of_the_general_suite_can_be_met() -> None:
    answers = {
        "three-lines": "1\n2\n3", "capitals": "RIVER", "list-dash": "- apple\n- pear", "end-word": "An umbrella.",
    }  # fmt: skip
    for case in read_suite(SHIPPED / "general.toml").cases:
        if case.score == "regex":
            assert re.search(case.expected[0], answers[case.id])
