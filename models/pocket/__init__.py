"""The pocket model: a trained text-to-video model that ships with the repository, and all that made it.

Scenes are painted, captions say what they show, an autoencoder and a denoiser learn from both, and a probe that never
saw a generated clip says how well it went. ``python -m models.pocket.train --help``.
"""
