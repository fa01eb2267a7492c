"""The command `llm`, with the server as one of its models."""

import json
import os
import subprocess
import sys
from pathlib import Path

from trial import KEY, QUESTION, URL, check, run

FOLDER = Path("llm").absolute()
FOLDER.mkdir(exist_ok=True)
MODEL = {"model_id": "served", "model_name": "starter", "api_base": f"{URL}/v1", "api_key_name": "served"}
MORE = {"supports_schema": True, "supports_tools": True}
(FOLDER / "extra-openai-models.yaml").write_text(json.dumps([{**MODEL, **MORE}]), encoding="utf-8")
(FOLDER / "keys.json").write_text(json.dumps({"served": KEY}), encoding="utf-8")


def llm(*arguments):
    environment = {**os.environ, "LLM_USER_PATH": str(FOLDER)}
    command = [sys.executable, "-m", "llm", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    check(done.returncode == 0, done.stderr[-500:])
    return done.stdout.strip()


def prompt():
    check(llm("prompt", "-m", "served", "--no-stream", "-o", "max_tokens", "24", QUESTION))


def stream():
    check(llm("prompt", "-m", "served", "-o", "max_tokens", "24", "-s", "You are brief.", QUESTION))


def conversation():
    check(llm("prompt", "-m", "served", "-o", "max_tokens", "16", "-c", "And another one?"))


def schema():
    said = llm("prompt", "-m", "served", "--no-stream", "-o", "max_tokens", "120", "--schema", "km int", QUESTION)
    check(isinstance(json.loads(said)["km"], int), said)


run("llm", {"prompt": prompt, "stream": stream, "conversation": conversation, "structured output": schema})
