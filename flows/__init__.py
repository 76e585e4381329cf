"""The core: what happens to a request. Pure, synchronous, without clock, chance or network."""
