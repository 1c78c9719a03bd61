"""Models on a hub: an address becomes files in the cache. One worker alone speaks to a network."""
