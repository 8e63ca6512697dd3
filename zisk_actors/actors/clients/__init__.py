"""The coordinator towards its clients: what they may ask, what they are told of jobs, and of the whole."""
