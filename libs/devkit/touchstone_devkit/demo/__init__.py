"""The demo: example reports become certificates and notices on a real system, shown live, then checked."""
