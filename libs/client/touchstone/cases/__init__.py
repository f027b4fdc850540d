"""The way of one case through all services, and what holds cases up."""
