"""From trained networks to restored photographs: pipeline, tiles, bands and image files."""
