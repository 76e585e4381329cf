"""Stories, invariants, contracts, peers, browser and docs: what Countersign promises, tried."""
