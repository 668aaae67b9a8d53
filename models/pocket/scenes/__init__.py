"""Scenes that a small model learns from: drawn clips and the English that describes them."""
