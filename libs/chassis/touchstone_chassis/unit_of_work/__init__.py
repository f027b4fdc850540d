"""Unit of work and group commit: all or nothing, many at a time."""
