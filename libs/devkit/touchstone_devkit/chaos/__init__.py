"""Servers of a test's own that it hurts, and a port that refuses as a broker may."""
