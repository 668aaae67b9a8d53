"""Benchmarks and simulations, each one command."""
