"""Health check API: live, ready and metrics of one service."""
