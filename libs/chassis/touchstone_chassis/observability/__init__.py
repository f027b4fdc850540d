"""Logs, metrics and traces, without payloads, secrets or personal data."""
