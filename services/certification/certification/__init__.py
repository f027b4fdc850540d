"""Touchstone's certification service: decides on accepted audits and keeps the register of certificates."""
