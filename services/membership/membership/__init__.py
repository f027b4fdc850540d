"""Membership: organisations, their entities, facilities and contacts, and who is in good standing."""
