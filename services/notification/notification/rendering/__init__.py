"""Notices in words, in the contact's language."""
