"""Fault injection points: where a test run kills, stops or fails the process."""
