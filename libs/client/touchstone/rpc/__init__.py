"""Calls over the broker."""
