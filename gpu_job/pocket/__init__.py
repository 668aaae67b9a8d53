"""The pocket model's own classes of diffusers: what its weights in ``models/weights/pocket`` are loaded into."""
