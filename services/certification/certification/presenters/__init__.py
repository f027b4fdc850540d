"""What outsiders are shown: the JSON of the service's answers."""
