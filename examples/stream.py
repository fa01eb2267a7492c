"""An answer as it is written, stopped after two hundred characters."""

from edgellm import Delta, EdgeLLM

with EdgeLLM() as edge, edge.chat("Tell a story about a lighthouse.", stream=True) as stream:
    shown = 0
    for event in stream:
        if isinstance(event, Delta):
            print(event.text, end="", flush=True)
            shown += len(event.text)
        if shown > 200:
            stream.cancel()
    print(f"\n[{stream.reply.finish_reason}]")
