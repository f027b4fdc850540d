"""Who can be told."""
