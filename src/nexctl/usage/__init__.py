"""Streams of usage records: export, sums, audit, what-if, runway, calibration. No gateway here."""
