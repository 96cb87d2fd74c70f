"""X-Decoder for semantic segmentation by class names: inference only, no detectron2."""
