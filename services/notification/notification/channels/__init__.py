"""The ways on which a notice reaches a person."""
