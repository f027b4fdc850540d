"""The rules of certification: pure, without I/O and without a clock."""
