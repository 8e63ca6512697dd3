"""Who does it: trio tasks, one file an actor, each a function that runs until cancelled. What to do is decided in `core`."""
