"""Calibration and speed of harness.stats."""
