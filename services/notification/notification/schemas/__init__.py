"""The forms of what comes in: requests and settings."""
