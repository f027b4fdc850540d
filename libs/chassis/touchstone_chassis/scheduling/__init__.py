"""Durable deadlines, claimed by one replica."""
