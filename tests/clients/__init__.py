"""Programs that people use, each in an environment of its own, against the real server."""
