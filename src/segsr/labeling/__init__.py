"""Photographs to masks: one abstract `Labeler`, adapters behind it."""
