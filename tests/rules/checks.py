"""What no source may do, as functions from a parsed file to complaints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.rules.sources import Function, Source, dotted

UNSAFE_MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "diskcache", "telnetlib")
UNSAFE_CALLS = (
    "eval", "exec", "compile", "os.system", "os.popen", "tempfile.mktemp", "yaml.load", "yaml.unsafe_load",
    "torch.load", "numpy.load", "np.load", "mx.load", "mlx.core.load", "ssl._create_unverified_context",
)  # fmt: skip
DOORS = {
    "llama_cpp": ("edgellm/engine/llama/", "edgellm/hub/inspect", "edgellm/engine/trial.py"),
    "llguidance": ("edgellm/engine/llama/", "edgellm/engine/grammar.py"),
    "apsw": ("edgellm/store/",),
    "textual": ("tui/",),
    "huggingface_hub": ("edgellm/hub/",),
    "jsonschema": ("edgellm/evals/json_schema.py",),
    "python_multipart": ("edgellm/server/multipart.py",),
    "jinja2": ("edgellm/engine/template.py", "edgellm/engine/render"),
    "pypdf": ("edgellm/retrieval/parse/pdf", "tests/unit/retrieval/"),
    "openpyxl": ("edgellm/retrieval/parse/sheets", "tests/unit/retrieval/"),
    "selectolax": ("edgellm/retrieval/parse/html",),
    "sqlite_vec": ("edgellm/store/db", "benchmarks/"),
    "torch": ("edgellm/retrieval/embed/bulk_child", "edgellm/retrieval/embed/rerank_child", "tests/", "benchmarks/"),
    "sentence_transformers": (
        "edgellm/retrieval/embed/bulk_child",
        "edgellm/retrieval/embed/rerank_child",
        "tests/",
        "benchmarks/",
    ),
    "sqlite3": (),
    "requests": (),
}
"""Heavy or dangerous libraries and the only places that may import them."""
DECODING = "edgellm/decoding.py"
TYPED = re.compile(r"msgspec\.(convert|(json|msgpack)\.Decoder)")
UNTYPED = re.compile(r"msgspec\.(json|msgpack)\.decode")
"""Typed only where a type is given."""
UNSANDBOXED = ("Environment", "Template", "SandboxedEnvironment", "NativeEnvironment")
FILE_LINES, FUNCTION_LINES, POSITIONAL_PARAMETERS = 400, 60, 5
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE_PATHS = re.compile(r"""["'](/(?:work|root|home|Users)/[^"']*)["']""")


def unsafe_imports(source: Source) -> Iterator[str]:
    """Modules that run code from data."""
    for module, line in source.imports():
        if module.split(".")[0] in UNSAFE_MODULES:
            yield f"{source.name}:{line} imports {module}"


def unsafe_calls(source: Source) -> Iterator[str]:
    """Calls that run code from data, and shells."""
    for name, call in source.calls():
        if name in UNSAFE_CALLS:
            yield f"{source.name}:{call.lineno} calls {name}"
        for keyword in call.keywords:
            if keyword.arg == "shell" and not _is_constant(keyword.value, False):
                yield f"{source.name}:{call.lineno} starts a shell"
            if keyword.arg == "trust_remote_code" and not _is_constant(keyword.value, False):
                yield f"{source.name}:{call.lineno} trusts remote code"


def wrong_doors(source: Source) -> Iterator[str]:
    """Libraries imported outside their one place."""
    for module, line in source.imports():
        places = DOORS.get(module.split(".")[0])
        if places is not None and not source.name.startswith(places):
            yield f"{source.name}:{line} imports {module}, which belongs to {', '.join(places) or 'nobody'}"


def shared_decoders(source: Source) -> Iterator[str]:
    """msgspec's typed decoding outside its door: two threads that begin it together end the process."""
    for name, call in source.calls():
        is_typed = len(call.args) > 1 or any(keyword.arg == "type" for keyword in call.keywords)
        is_shared = TYPED.fullmatch(name) or (UNTYPED.fullmatch(name) and is_typed)
        if is_shared and source.name != DECODING:
            yield f"{source.name}:{call.lineno} calls {name}, which belongs to {DECODING}"


def unsandboxed_templates(source: Source) -> Iterator[str]:
    """Jinja's plain environment and template, which run anything, made or inherited from."""
    for name, call in source.calls():
        if name.removeprefix("jinja2.").removeprefix("sandbox.") in UNSANDBOXED:
            yield f"{source.name}:{call.lineno} calls {name}; only the immutable sandbox renders templates"
    for node in ast.walk(source.tree):
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            if dotted(base).rpartition(".")[2] in UNSANDBOXED:
                yield f"{source.name}:{base.lineno} inherits from {dotted(base)}"


def swallowed_errors(source: Source) -> Iterator[str]:
    """Bare excepts, and handlers of everything that do nothing."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield f"{source.name}:{node.lineno} catches everything without a name"
        elif isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException") and _does_nothing(node):
            yield f"{source.name}:{node.lineno} swallows {node.type.id}"


def prints(source: Source) -> Iterator[str]:
    """`print` in a library: faces print, libraries return."""
    for name, call in source.calls():
        if name == "print":
            yield f"{source.name}:{call.lineno} prints"


def leftovers(source: Source) -> Iterator[str]:
    """Unfinished work, and paths of one particular machine."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := LEFTOVERS.search(line) or MACHINE_PATHS.search(line):
            yield f"{source.name}:{number} contains {found[0]}"


def oversized(source: Source) -> Iterator[str]:
    """Functions that do not fit a head."""
    for function in source.functions():
        length = _code_lines(function)
        if length > FUNCTION_LINES:
            yield f"{source.name}:{function.lineno} {function.name} has {length} lines, more than {FUNCTION_LINES}"
        if (count := len(_positional(function))) > POSITIONAL_PARAMETERS:
            yield f"{source.name}:{function.lineno} {function.name} takes {count} positional parameters"


def undescribed(source: Source) -> Iterator[str]:
    """Modules whose docstring does not begin with one short sentence."""
    first = (ast.get_docstring(source.tree) or "").split("\n", 1)[0].strip()
    if not first.endswith((".", "?", "!")):
        yield f"{source.name} begins with {first!r}, not with one sentence"
    elif len(first) > 114:  # a line of 120 without its quotes
        yield f"{source.name} begins with a sentence of {len(first)} characters"


def _code_lines(function: Function) -> int:
    """Lines of a function; a text over several lines (SQL, a docstring) counts as one."""
    texts = [node for node in ast.walk(function) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    inside_texts = {line for text in texts for line in range(text.lineno, text.end_lineno or text.lineno)}
    return (function.end_lineno or function.lineno) - function.lineno + 1 - len(inside_texts)


def _positional(function: Function) -> list[ast.arg]:
    arguments = function.args.posonlyargs + function.args.args
    return [argument for argument in arguments if argument.arg not in ("self", "cls")]


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _does_nothing(handler: ast.ExceptHandler) -> bool:
    return all(isinstance(part, ast.Pass | ast.Continue) for part in handler.body)
