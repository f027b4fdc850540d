"""One service's database in a file, and back."""
