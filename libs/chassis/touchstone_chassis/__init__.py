"""The chassis that every Touchstone service stands on; it knows no word of certification."""
