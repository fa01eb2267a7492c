"""One file a family of addresses: parse, call, render."""
