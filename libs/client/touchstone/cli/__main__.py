"""Lets `python -m touchstone.cli` be the command line, where no script of its name is on the path."""

from touchstone.cli.app import main

main()
