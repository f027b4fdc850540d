"""Versioned data with source and confidence, and who reads it."""
