"""The published language of Touchstone: events, envelope, errors, roles and broker names."""
