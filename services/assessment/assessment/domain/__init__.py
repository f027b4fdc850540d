"""The rules of assessment, without I/O and without a clock."""
