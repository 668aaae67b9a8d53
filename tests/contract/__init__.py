"""Doubles and adapters. A package, so that its emulators are stopped with its last test."""
