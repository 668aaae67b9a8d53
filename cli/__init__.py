"""The command ``lifeasnotme``."""
