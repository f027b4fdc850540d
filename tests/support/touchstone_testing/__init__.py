"""What tests of all packages share and nobody ships: a database in memory, a service on it, a guard of the clock."""
