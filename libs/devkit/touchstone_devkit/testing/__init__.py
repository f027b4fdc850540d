"""What unit tests run on instead of servers: one database in memory, and services' handlers over it."""
