"""From the user's words to a `ComparisonSpec`: settings, cards, tiers, sides, environments.

Nothing heavy is imported here, so that the command line can show its help at once; import the
modules of this package directly.
"""
