"""The use cases that load more than one aggregate: get, let the domain decide, save."""
