"""Compiled schemas: loads and dumps what a marshmallow schema says, faster, and only where it is sure."""
