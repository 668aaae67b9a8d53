"""Tests, by what they need: a folder each."""
