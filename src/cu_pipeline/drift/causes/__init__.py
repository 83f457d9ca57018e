"""What may have changed, and how each cause is told from the others; `drift.diagnosis` lists them."""
