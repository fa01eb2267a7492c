"""What is asked, how it is answered, and whether that changes; pure."""
