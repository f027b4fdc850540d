"""Aggregates as documents, read and written through the unit of work; each with the indexes that it needs."""
