"""The rules of membership, without I/O and without a clock."""
