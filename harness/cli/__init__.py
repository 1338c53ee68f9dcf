"""The command line: `compare`, also as `python -m harness`. Nothing heavy is imported here."""

from harness.cli.app import main

__all__ = ["main"]
