"""The parts that a team shares, started as processes on this machine: `python -m deploy.cluster up`."""
