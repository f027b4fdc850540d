"""What assessment answers: aggregates as callers see them."""
