"""Fine-tuning jobs in OpenAI's shape: made of a key's own file, and what comes out is that key's alone."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from edgellm.events import Failed, Measured, Progressed, Started
from edgellm.hub.adapters import AdapterManifest, BaseRecord, Shelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.job_log import JobLog
from edgellm.sdk.jobs import Jobs
from edgellm.server.service import ServeOptions, Service, open_service
from edgellm.store import JobState
from edgellm.store.keys import Limits
from edgellm.train.settings import TrainSettings
from tests.unit.server.conftest import client_of

JOBS = "/v1/fine_tuning/jobs"
QUESTIONS = ("Which river passes the town?", "Where does the ferry land?", "When does the market open?")
ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": each}, {"role": "assistant", "content": f"About it: {each}"}]})
    + "\n"
    for each in QUESTIONS
)


@pytest.fixture
def edge(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> EdgeLLM:
    """Whose model can be taught, by jobs that wait for the test to end them."""
    monkeypatch.setattr(
        own_edge.training, "_library", SimpleNamespace(find=lambda name: SimpleNamespace(reference=name))
    )
    monkeypatch.setattr(Jobs, "_launch", lambda _self, _job_id: None)
    return own_edge


class Keyed:
    """A server with keys."""

    def __init__(self, edge: EdgeLLM) -> None:
        self.edge = edge
        self.service: Service = open_service(edge, ServeOptions(), is_open=True)
        self.tenants: dict[str, str] = {}

    def client(self, name: str, role: Any = "user", **limits: Any) -> httpx2.AsyncClient:
        made = self.edge.keys.create(name, role=role, limits=Limits(**limits))
        self.tenants[name] = made.key.id
        client = client_of(self.service)
        client.headers["x-api-key"] = made.secret
        return client

    def end(self, job: dict[str, Any], state: JobState, **how: Any) -> None:
        self.edge.jobs._store().jobs.end(job["id"].removeprefix("ftjob-"), state, **how)


@pytest.fixture
def keyed(edge: EdgeLLM) -> Keyed:
    return Keyed(edge)


async def sent(client: httpx2.AsyncClient, rows: str = ROWS) -> str:
    form: dict[str, Any] = {"files": {"file": ("rows.jsonl", rows.encode())}, "data": {"purpose": "fine-tune"}}
    return str((await client.post("/v1/files", **form)).json()["id"])


async def begun(client: httpx2.AsyncClient, file: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post(JOBS, json={"model": "fake:", "training_file": file, **fields})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_job_from_its_file_to_its_model(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        file = await sent(ana)
        chosen = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.5}
        job = await begun(ana, file, suffix="ferry", hyperparameters=chosen, seed=7)
        assert (job["object"], job["status"], job["model"]) == ("fine_tuning.job", "queued", "fake:")
        assert (job["training_file"], job["seed"], job["hyperparameters"]) == (file, 7, chosen)
        assert (job["fine_tuned_model"], job["finished_at"], job["error"]) == (None, None, None)
        stored = keyed.edge.jobs.get(job["id"].removeprefix("ftjob-"))
        name, settings = stored.arguments["name"], stored.arguments["settings"]
        assert name == f"ferry.{keyed.tenants['ana']}"
        assert (settings["epochs"], settings["batch_rows"], settings["seed"]) == (3.0, 4, 7)
        assert settings["learning_rate"] == pytest.approx(TrainSettings().learning_rate / 2)
        assert keyed.edge.datasets.show(name).manifest.name == name
        keyed.end(job, JobState.FINISHED, result={"model": f"fake:@{name}", "tokens": 1234})
        done = (await ana.get(f"{JOBS}/{job['id']}")).json()
        assert (done["status"], done["fine_tuned_model"], done["trained_tokens"]) == (
            "succeeded",
            f"fake:@{name}",
            1234,
        )
        assert done["finished_at"] >= done["created_at"]
        assert (await ana.get(JOBS)).json()["data"] == [done]
    assert "fine_tuning.create" in [entry.action for entry in keyed.edge.audit.list(10)]


async def test_the_same_can_be_said_in_the_method(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto", "batch_size": 2}}}
        job = await begun(ana, await sent(ana), method=method)
    assert job["hyperparameters"] == {"n_epochs": "auto", "batch_size": 2, "learning_rate_multiplier": "auto"}
    assert job["method"]["supervised"]["hyperparameters"] == job["hyperparameters"]


async def test_another_keys_jobs_and_files_do_not_exist(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana, keyed.client("ben") as ben, keyed.client("boss", "admin") as boss:
        file = await sent(ana)
        stolen = await ben.post(JOBS, json={"model": "fake:", "training_file": file})
        assert (stolen.status_code, stolen.json()["error"]["param"]) == (404, "training_file")
        job = await begun(ana, file)
        unknown = f"ftjob-{'0' * 26}"
        for method, ending in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
            theirs = await ben.request(method, f"{JOBS}/{job['id']}{ending}")
            none = await ben.request(method, f"{JOBS}/{unknown}{ending}")
            assert theirs.status_code == none.status_code == 404
            assert theirs.text.replace(job["id"], unknown) == none.text
        assert (await ben.get(JOBS)).json()["data"] == []
        assert (await ana.get(f"{JOBS}/{job['id']}")).json()["status"] == "queued"
        assert [each["id"] for each in (await boss.get(JOBS)).json()["data"]] == [job["id"]]
        assert (await boss.post(f"{JOBS}/{job['id']}/cancel")).json()["status"] == "cancelled"


def teach(edge: EdgeLLM, name: str) -> None:
    """What a finished job leaves behind."""
    draft = edge.home.adapters / ".draft.part"
    draft.mkdir(parents=True)
    (draft / "adapter.gguf").write_bytes(name.encode())
    Shelf(edge.home).admit(draft, AdapterManifest(name=name, base=BaseRecord(name="fake:", sha256="")))


async def test_what_was_taught_is_the_keys_own(keyed: Keyed) -> None:
    async with keyed.client("ana", models=("fake:",)) as ana, keyed.client("ben") as ben:
        name = f"ferry.{keyed.tenants['ana']}"
        teach(keyed.edge, name)
        body = {"model": f"fake:@{name}", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        theirs = await ben.post("/v1/chat/completions", json=body)
        assert (theirs.status_code, theirs.json()["error"]["code"]) == (404, "model_not_found")
        own = await ana.post("/v1/chat/completions", json=body)
        assert own.json().get("error", {}).get("message") != f"There is no model {body['model']!r}."
        again = await ana.post(JOBS, json={"model": "fake:", "training_file": await sent(ana), "suffix": "ferry"})
        assert (again.status_code, again.json()["error"]["param"]) == (400, "suffix")


async def test_one_training_at_a_time(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana, keyed.client("ben") as ben:
        file, other = await sent(ana), await sent(ben)
        job = await begun(ana, file)
        own = await ana.post(JOBS, json={"model": "fake:", "training_file": file})
        theirs = await ben.post(JOBS, json={"model": "fake:", "training_file": other})
        assert (own.status_code, theirs.status_code) == (429, 503)
        assert int(own.headers["retry-after"]) >= 1
        assert (await ana.post(f"{JOBS}/{job['id']}/cancel")).json()["status"] == "cancelled"
        await begun(ben, other)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS + "{not json\n", "rows.jsonl:4"),
        (ROWS + '{"colour": "red"}\n', "rows.jsonl:4"),
        ('{"messages": "no list"}\n', "rows.jsonl"),
        (ROWS.replace("About it: Which river passes the town?", ""), "rows.jsonl:1"),
        ("\n", "rows.jsonl"),
    ],
)
async def test_a_file_that_is_not_understood_is_refused_by_its_line(keyed: Keyed, rows: str, said: str) -> None:
    async with keyed.client("ana") as ana:
        answer = await ana.post(JOBS, json={"model": "fake:", "training_file": await sent(ana, rows)})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "training_file")
    assert said in error["message"]
    assert str(keyed.edge.home.data) not in error["message"]
    assert keyed.edge.jobs.list() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": None}, "model"),
        ({"model": "fake:@other"}, "model"),
        ({"training_file": ""}, "training_file"),
        ({"suffix": "a b"}, "suffix"),
        ({"suffix": "../x"}, "suffix"),
        ({"suffix": "x" * 37}, "suffix"),
        ({"suffix": "x.y"}, "suffix"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 1.5}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "hyperparameters.learning_rate_multiplier"),
        ({"hyperparameters": {"beta": 0.1}}, "hyperparameters.beta"),
        (
            {"hyperparameters": {}, "method": {"type": "supervised", "supervised": {"hyperparameters": {}}}},
            "hyperparameters",
        ),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"method": {"type": "supervised", "dpo": {}}}, "method.dpo"),
        ({"validation_file": "file-1"}, "validation_file"),
        ({"integrations": [{"type": "wandb"}]}, "integrations"),
        ({"seed": -1}, "seed"),
        ({"base": "x"}, "base"),
    ],
    ids=str,
)
async def test_bad_bodies(keyed: Keyed, change: dict[str, Any], field: str) -> None:
    async with keyed.client("boss", "admin") as boss:
        body = {"model": "fake:", "training_file": await sent(boss), **change}
        answer = await boss.post(JOBS, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field), answer.text


async def test_who_may_not_train(keyed: Keyed) -> None:
    async with keyed.client("eye", "viewer") as eye, keyed.client("bound", adapter="other") as bound:
        assert (await eye.post(JOBS, json={"model": "fake:", "training_file": "x"})).status_code == 403
        assert (await bound.post(JOBS, json={"model": "fake:", "training_file": "x"})).status_code == 403
    async with keyed.client("narrow", models=("elsewhere",)) as narrow:
        assert (await narrow.post(JOBS, json={"model": "fake:", "training_file": "x"})).status_code == 404


async def test_events_come_newest_first_and_name_no_folder(keyed: Keyed) -> None:
    async with keyed.client("ana") as ana:
        job = await begun(ana, await sent(ana))
        log = JobLog(keyed.edge.home, job["id"].removeprefix("ftjob-"))
        for event in (
            Started(title="Teaching fake:"),
            Progressed(done=1),
            Measured(step=1, values={"loss": 2.5}),
            Failed(error="JobError", message="/home/secret/run is gone"),
        ):
            log.write(event)
        keyed.end(job, JobState.FAILED, error="JobError", message="/home/secret/run is gone")
        answer = await ana.get(f"{JOBS}/{job['id']}/events")
        failed, measured, started = answer.json()["data"]
        assert (failed["level"], measured["type"], started["message"]) == ("error", "metrics", "Teaching fake:")
        assert measured["data"] == {"step": 1, "loss": 2.5}
        ended = await ana.get(f"{JOBS}/{job['id']}")
        assert (ended.json()["status"], ended.json()["error"]["code"]) == ("failed", "JobError")
        assert "secret" not in answer.text + ended.text
        page = (await ana.get(f"{JOBS}/{job['id']}/events", params={"limit": 1, "after": failed["id"]})).json()
        assert (page["data"], page["has_more"]) == ([measured], True)
