"""Cases: one for each accepted audit, and what the rules make of it."""
