"""The coordinator towards its clients: what they may ask, which jobs are taken in, and the inputs that they send."""
