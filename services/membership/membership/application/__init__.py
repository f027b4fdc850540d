"""Use cases that load more than one aggregate, and how they make, refuse and look up the ids of requests."""
