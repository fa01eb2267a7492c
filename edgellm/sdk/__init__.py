"""EdgeLLM inside your program."""
