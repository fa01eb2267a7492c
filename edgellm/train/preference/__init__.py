"""Learning from judged answers: preference tuning."""
