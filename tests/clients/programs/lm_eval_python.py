"""The LM Evaluation Harness: a chat task, and log-likelihoods through the tokenizer routes."""

import json
import os
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager
from trial import KEY, URL, check, run

os.environ["OPENAI_API_KEY"] = KEY

FOLDER = Path("tasks").absolute()
ROWS = [
    {"question": "The sky is", "choices": ["blue", "Tuesday"], "answer": 0},
    {"question": "Fish live in", "choices": ["a spreadsheet", "water"], "answer": 1},
    {"question": "Snow is", "choices": ["cold", "a kind of music"], "answer": 0},
    {"question": "Ships sail on the", "choices": ["seventeen", "sea"], "answer": 1},
]
REMOTE = {"tokenizer_backend": "remote", "base_url": f"{URL}/v1/completions", "auth_token": KEY}
CHOICE = """
task: small_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{{metric: acc}}]
"""
GENERATE = """
task: small_generate
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{choices[answer]}}}}"
generation_kwargs: {{until: ["\\n"], max_gen_toks: 8, temperature: 0}}
metric_list: [{{metric: exact_match}}]
"""


def prepare():
    FOLDER.mkdir(exist_ok=True)
    rows = FOLDER / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    for name, text in (("choice", CHOICE), ("generate", GENERATE)):
        (FOLDER / f"{name}.yaml").write_text(text.format(file=rows), encoding="utf-8")
    return TaskManager(include_path=str(FOLDER), include_defaults=False)


def evaluated(model, task, **arguments):
    found = lm_eval.simple_evaluate(
        model=model,
        model_args={"model": "starter", "max_retries": 1, "num_concurrent": 1, **arguments},
        tasks=[task],
        task_manager=prepare(),
        apply_chat_template="chat" in model,
        bootstrap_iters=0,
    )
    return found["results"][task]


def likelihood():
    result = evaluated("local-completions", "small_choice", **REMOTE)
    check(result["acc,none"] >= 0.75, result)


def generation():
    check("exact_match,none" in evaluated("local-completions", "small_generate", **REMOTE))


def chat():
    result = evaluated("local-chat-completions", "small_generate", base_url=f"{URL}/v1/chat/completions")
    check("exact_match,none" in result, result)


run("lm-eval", {"log-likelihoods": likelihood, "generation": generation, "chat": chat})
