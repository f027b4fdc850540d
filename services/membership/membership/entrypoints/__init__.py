"""What callers may ask membership for, by aggregate."""
