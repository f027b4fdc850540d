"""Heartbeats: a producer says how many events it has committed, and a consumer knows whether it has handled as many."""
