"""Backfill: a consumer is given what its producers ever announced, out of their event logs."""
