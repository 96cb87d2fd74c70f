"""Mathematics without networks: the two diffusions and the sampler that runs them side by side."""
