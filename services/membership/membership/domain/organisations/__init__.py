"""Organisations: their membership from registration on, and what their class obliges them to."""
