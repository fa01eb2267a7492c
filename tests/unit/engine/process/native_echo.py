"""A child for tests of `native`: does what it is told, badly where told so."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from edgellm.engine.native import NativeHost
from edgellm.errors import InvalidInput


def main() -> None:
    """Serve."""
    host = NativeHost()

    def handle(request: dict[str, Any]) -> None:
        match request["do"]:
            case "echo":
                print("a library prints")
                host.answer({"said": request["text"]})
            case "bytes":
                host.answer({"size": request["size"]}, memoryview(bytearray(b"x" * request["size"])))
            case "refuse":
                raise InvalidInput("No.", hint="Yes.", field="text", value=7)
            case "break":
                raise RuntimeError("a defect")
            case "die":
                sys.stderr.write("GGML_ASSERT failed\n")
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGABRT)
            case "hang":
                host.answer({})
                time.sleep(60)

    host.serve(handle)


if __name__ == "__main__":
    main()
