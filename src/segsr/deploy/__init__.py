"""A trained model as one ONNX graph: what runs where PyTorch does not."""
