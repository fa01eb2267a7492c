"""A file of any known format to a document: its text, and where its parts are."""
