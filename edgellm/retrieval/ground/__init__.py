"""From hits to a prompt, and from an answer to citations that hold."""
