"""Python client and command line of Touchstone, for integrators and operators."""
