"""From trained networks to restored photographs: pipeline, tiling, colour and image files."""
