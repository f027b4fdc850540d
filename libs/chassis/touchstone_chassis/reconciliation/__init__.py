"""Reconciliation of a service's ledger with those of others."""
