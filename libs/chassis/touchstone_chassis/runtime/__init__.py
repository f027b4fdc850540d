"""One service as a process: its settings, its signals, its life."""
