"""The command, on a scripted SDK."""
