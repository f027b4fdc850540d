"""The command line: its commands, the options that they share, and how answers are shown."""
