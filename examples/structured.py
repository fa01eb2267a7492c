"""An answer that is valid under a JSON schema."""

import json

from edgellm import Constraint, EdgeLLM, Sampling

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 40}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}

with EdgeLLM() as edge:
    reply = edge.chat(
        "Name a large city in India and its population, as JSON.",
        constraint=Constraint(kind="json_schema", text=json.dumps(SCHEMA)),
        sampling=Sampling(temperature=0, max_tokens=80),
    )
    print(json.loads(reply.text))
