"""Weights in and out: tensors and plain JSON, nothing executed, nothing imported by name."""
