"""Every claimed number, one command each."""
