"""Connections, channels and confirmed publishing over AMQP 0-9-1; nothing here knows what a message means."""
