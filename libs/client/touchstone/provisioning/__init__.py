"""Exchanges, queues, bindings, indexes and migrations, made ahead of the services."""
