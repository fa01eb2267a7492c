"""From text to lines: Markdown and conversation turns as styled content, no widget involved."""
