"""The worker: takes render requests, makes videos, commits them to the bucket. Only the renderer imports torch."""
