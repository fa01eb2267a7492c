"""Files and folders into a collection: what is new is read, what is unchanged is left, what is gone is removed."""
