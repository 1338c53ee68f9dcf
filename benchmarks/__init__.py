"""Measurements too heavy for the test suite; each has a smoke version in tests."""
