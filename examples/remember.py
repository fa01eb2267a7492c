"""A session that is continued from its saved state by a second program run."""

from edgellm import EdgeLLM, Sampling

sampling = Sampling(temperature=0, max_tokens=30)
with EdgeLLM() as edge:
    session = edge.sessions.create(title="A demonstration", system="You answer briefly.")
    edge.chat("My boat is called Ilse. Greet her.", session=session.id, sampling=sampling)

with EdgeLLM() as edge:  # another worker process: the KV state comes from disk
    reply = edge.chat("What is my boat called?", session=session.id, sampling=sampling)
    print(reply.text)
    print(f"{reply.usage.cached_tokens} of {reply.usage.prompt_tokens} prompt tokens were not computed again")
    edge.sessions.delete(session.id)
