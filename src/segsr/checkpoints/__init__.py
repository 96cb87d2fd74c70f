"""Model folders: safetensors and plain JSON, nothing executed, nothing imported by name."""
