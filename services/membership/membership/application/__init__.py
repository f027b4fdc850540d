"""Use cases that load more than one aggregate."""
