"""LightningModules without equations: unpack the batch, call the process and the nets, log."""
