"""Notification: who is told what became of a certification, and whether the mail went out."""
