"""From a model and an adapter to files that anyone can run."""
