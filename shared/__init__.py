"""The nouns that two rooms use. Copied as source into each deployable; imports nothing of ours but itself."""
