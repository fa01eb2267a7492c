"""Examples in, training rows out."""
