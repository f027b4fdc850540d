"""The durable job queue: what is due is claimed by one replica, and survives restarts."""
