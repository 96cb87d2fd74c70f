"""Networks without schedules: each maps tensors and a timestep to tensors."""
