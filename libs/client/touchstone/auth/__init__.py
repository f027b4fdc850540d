"""Issuer keys, and the tokens that callers sign with them."""
