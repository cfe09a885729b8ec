"""What Vestnik is about, without any input or output: states, outcomes, pacing, protocols, errors."""
