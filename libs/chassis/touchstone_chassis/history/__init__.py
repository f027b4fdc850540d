"""Message history: what a service announced, processed and is stuck with."""
