"""The catalogue: one TOML card per base model or embedder."""
