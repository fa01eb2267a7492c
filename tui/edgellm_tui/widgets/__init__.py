"""Parts of the screen: they take values and emit messages."""
