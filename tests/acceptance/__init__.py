"""The whole system as processes. A package, so that its stack is stopped with its last test."""
