"""How well a photograph and its mask were restored, in the protocols of the field."""
