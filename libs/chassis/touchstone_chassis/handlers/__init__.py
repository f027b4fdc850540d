"""Message endpoints: what runs around a service's method, from the message to the commit."""
