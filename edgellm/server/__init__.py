"""The API: what OpenAI's, Anthropic's and Ollama's clients call."""
