"""What callers may send to assessment, checked whole before anything is read; and its settings."""
