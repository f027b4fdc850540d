"""Processes that are started, watched, restarted and ended."""
