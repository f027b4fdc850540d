"""What callers may send to membership, checked whole before anything is read; and its settings."""
