"""Fault injection points."""
