"""Access tokens: who is calling, and in which role."""
