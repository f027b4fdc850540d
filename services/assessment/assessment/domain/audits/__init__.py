"""Audits in the register, from submission to acceptance, and what their reports say."""
