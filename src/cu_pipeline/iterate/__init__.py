"""iterate: turns what the monitor finds into the next iteration, and tells people."""
