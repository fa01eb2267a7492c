"""One question, one answer, and where the time went."""

from edgellm import EdgeLLM, Sampling

with EdgeLLM() as edge:
    reply = edge.chat("Why is the sky blue? One sentence.", sampling=Sampling(temperature=0, max_tokens=60))
    print(reply.text)
    print(f"{reply.usage.completion_tokens} tokens, first after {reply.timings.ttft_s:.2f} s")
