"""Photographs to masks: one `Labeler` protocol, adapters behind it."""
