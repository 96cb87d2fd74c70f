"""How much memory a fit would need: networks laid out without weights, a step without memory."""
