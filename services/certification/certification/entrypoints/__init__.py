"""The ways into the service, by aggregate: commands, queries, events and jobs."""
