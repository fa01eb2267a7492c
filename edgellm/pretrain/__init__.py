"""A small model and its tokenizer from nothing but a folder of texts."""
