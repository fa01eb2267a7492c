"""LoRA on MLX: from a GGUF base and a data set to an adapter."""
