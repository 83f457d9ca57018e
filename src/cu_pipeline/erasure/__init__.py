"""Erasure: clips and creators removed from everything that holds them or what was derived from them."""
