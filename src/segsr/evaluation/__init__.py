"""Tables and figures of the paper, from any set of methods."""
