"""The ways into the service, by aggregate: queries, events and jobs."""
