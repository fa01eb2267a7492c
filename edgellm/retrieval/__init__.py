"""Answers from your documents: files to passages, passages to evidence."""
