"""What monitoring found as a file: one page, or Markdown."""
