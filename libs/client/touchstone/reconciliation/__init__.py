"""Comparing the ledgers of all services."""
