"""The control room: EdgeLLM in a terminal."""
