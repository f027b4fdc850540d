"""Servers, networks and brokers that tests can hurt."""
