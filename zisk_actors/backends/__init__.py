"""Who multiplies: implementations of the one interface in ``base``."""
