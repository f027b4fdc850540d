"""Events as they pass."""
