"""A run as one HTML file without scripts, and as Markdown."""
