"""What the frame shows: pages and dialogs."""
