"""What membership answers: aggregates as callers see them."""
