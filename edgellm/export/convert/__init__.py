"""Model folders of safetensors to GGUF, without torch and without running anything from the folder."""
