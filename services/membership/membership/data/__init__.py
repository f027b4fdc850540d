"""Reference data that the service ships, each row with its source, and what reads it."""
