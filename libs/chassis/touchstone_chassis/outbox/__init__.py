"""The transactional outbox: what was committed is published, by a relay or a sweep."""
