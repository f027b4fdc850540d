"""Certificates and what is on record of them."""
