"""The event types, a module for each service that announces them."""
