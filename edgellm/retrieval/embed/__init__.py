"""Texts to vectors: one space, computed in bulk by torch and one by one by llama.cpp."""
