"""EdgeLLM: own a language model end to end, on your own hardware."""
