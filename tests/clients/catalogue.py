"""Which client packages are tried, in which versions, and by which program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client package and what tries it."""

    name: str
    packages: tuple[str, ...]
    """Exact versions; the first is the client itself. A scope may stand before an npm package's name."""
    program: str
    """A file in `programs`, whose ending says whether Python or Node runs it; empty: a command of its own."""
    licence: str

    @property
    def is_node(self) -> bool:
        """Whether its packages come from npm."""
        return self.program.endswith(".mjs")


CLIENTS = (
    Client(name="openai", packages=("openai==3.51.0",), program="openai_python.py", licence="Apache-2.0"),
    Client(name="anthropic", packages=("anthropic==2.10.0",), program="anthropic_python.py", licence="MIT"),
    Client(name="ollama", packages=("ollama==0.6.3",), program="ollama_python.py", licence="MIT"),
    Client(name="llm", packages=("llm==0.36",), program="llm_cli.py", licence="Apache-2.0"),
    Client(name="instructor", packages=("instructor==1.17.0",), program="instructor_python.py", licence="MIT"),
    Client(
        name="langchain-openai",
        packages=("langchain-openai==1.7.3",),
        program="langchain_python.py",
        licence="MIT",
    ),
    Client(
        name="llama-index",
        packages=("llama-index-llms-openai-like==0.8.1", "llama-index-embeddings-openai-like==0.4.0"),
        program="llama_index_python.py",
        licence="MIT",
    ),
    Client(
        name="pydantic-ai",
        packages=("pydantic-ai-slim[openai,anthropic]==2.68.0",),
        program="pydantic_ai_python.py",
        licence="MIT",
    ),
    Client(name="litellm", packages=("litellm==1.106.2", "mcp==2.3.0"), program="litellm_python.py", licence="MIT"),
    Client(
        name="lm-eval", packages=("lm-eval[api]==0.4.13", "transformers"), program="lm_eval_python.py", licence="MIT"
    ),
    Client(name="openai (Node)", packages=("openai@7.55.0",), program="openai_node.mjs", licence="Apache-2.0"),
    Client(
        name="ai (Vercel)",
        packages=("ai@7.0.173", "@ai-sdk/openai-compatible@3.0.92", "zod@4"),
        program="vercel_ai.mjs",
        licence="Apache-2.0",
    ),
    Client(
        name="anthropic (Node)", packages=("@anthropic-ai/sdk@1.10.0",), program="anthropic_node.mjs", licence="MIT"
    ),
    Client(name="ollama (Node)", packages=("ollama@0.6.4",), program="ollama_node.mjs", licence="MIT"),
)

WALKER = Client(name="schemathesis", packages=("schemathesis==4.32.5",), program="", licence="MIT")
"""Walks the published page."""
