"""Files to tensors and back: photographs, masks, lists; the only code that knows formats."""
