"""The database: client, circuit breaker, and the time that replicas agree on."""
