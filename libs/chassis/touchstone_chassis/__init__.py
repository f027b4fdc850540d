"""The chassis that every Touchstone service stands on; no word of what the services do is in it."""
