"""The pocket model's own classes of diffusers: what its weights in ``models/pocket/weights`` are loaded into."""
