"""Backfill: has producers send what they ever announced to one consumer."""
