"""The JSON of ``nft -j list ruleset``: what its expressions look at, what its statements do."""
