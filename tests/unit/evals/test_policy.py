"""Policy files: what they may say, and how wrong ones are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgellm.errors import DataRejected
from edgellm.evals.policy import DEFAULT, read_policy
from edgellm.evals.suite import SHIPPED, suites_in


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_the_one_that_ships_names_suites_that_ship() -> None:
    shipped = {path.stem for path in suites_in(SHIPPED)}
    assert set(read_policy(DEFAULT).suites) <= shipped


def test_every_kind_of_rule_is_read(tmp_path: Path) -> None:
    text = """
        schema = 1
        description = "ours"
        must = [
            {suite = "towns", change = "better"},
            {suite = "*", change = "not worse"},
            {suite = "injection", at_least = 0.8},
            {suite = "prose", measure = "perplexity", ratio_at_most = 1.02},
        ]
    """
    policy = read_policy(written(tmp_path, text))
    assert policy.suites == ("towns", "injection", "prose")
    assert [rule.needs_current for rule in policy.rules] == [True, True, False, True]


def test_speed_and_people_are_tables_of_their_own(tmp_path: Path) -> None:
    text = """
        schema = 1
        must = [{suite = "towns", change = "better"}]
        speed = {ratio_at_least = 0.9}
        people = {win_rate_at_least = 0.5, votes_at_least = 30}
    """
    policy = read_policy(written(tmp_path, text))
    assert policy.speed is not None
    assert policy.speed.ratio_at_least == 0.9
    assert policy.people is not None
    assert (policy.people.win_rate_at_least, policy.people.votes_at_least) == (0.5, 30)
    assert read_policy(DEFAULT).speed is not None
    assert read_policy(DEFAULT).people is None


RULE = "schema = 1\n[[must]]\nsuite = 'a'\nchange = 'better'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{RULE}[speed]\nratio_at_lest = 0.9", r"\[speed\]: .*ratio_at_l"),
        (f"{RULE}[speed]\nratio_at_least = 0", r"\[speed\]: .*> 0"),
        (f"{RULE}[people]\nwin_rate_at_least = 0.5", r"\[people\]: .*votes_at_least"),
        (f"{RULE}[people]\nwin_rate_at_least = 50\nvotes_at_least = 9", r"\[people\]: .*<= 1"),
        ("people = 3\n" + RULE, r"\[people\]: "),
        ("schema = 2", "`schema` is 2"),
        ("schema = 1", "no rule"),
        ("schema = 1\nmust = []", "no rule"),
        ("schema = 1\nmusts = []", "'musts' is not known.*Did you mean 'must'"),
        ("schema = 1\n[[must]]\nsuite = 'a'", "rule 1: it asks for nothing"),
        ("schema = 1\n[[must]]\nchange = 'better'", "rule 1: .*suite"),
        ("schema = 1\n[[must]]\nsuite = 'a'\nchange = 'worse'", "`change` is 'worse'"),
        ("schema = 1\n[[must]]\nsuite = 'a'\nat_lest = 1", "'at_lest' is not known.*at_least"),
        ("schema = 1\n[[must]]\nsuite = 'a'\nat_least = 'much'", "rule 1: "),
        ("schema = 1\n[[must]]\nsuite = 'a'\nmeasure = 'perplexty'\nat_most = 3", "'perplexty'.*perplexity"),
        ("schema = 1\n[[must]]\nsuite = 'a'\nratio_at_least = 1", "a ratio needs a `measure`"),
        (f"{RULE}at_least = 0.5", "rule 1: it asks for `change` and a bound at once.*a rule for each"),
        (f"{RULE}ratio_at_most = 1", "rule 1: it asks for `change` and a ratio at once"),
        (f"{RULE}measure = 'cut'", "rule 1: `change` is about the score"),
        (
            "schema = 1\n[[must]]\nsuite = 'a'\nmeasure = 'cut'\nat_most = 1\nratio_at_most = 1",
            "a bound and a ratio at once",
        ),
        ("schema = 1\n[[must]]\nsuite = '*'\nchange = 'better'", "names no suite"),
        ("schema = 1\nmust = [3]", "rule 1: "),
        ("schema =", "is no TOML"),
    ],
)
def test_a_wrong_one_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataRejected) as caught:
        read_policy(path)
    assert str(path) in caught.value.message
    assert re.search(said, f"{caught.value.message} {caught.value.hint}", re.DOTALL)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match=r"gone\.toml cannot be read"):
        read_policy(tmp_path / "gone.toml")
