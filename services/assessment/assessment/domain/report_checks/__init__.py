"""What may be wrong with an audit report, check by check."""
