"""The rules of notification: pure, without I/O and without a clock."""
