"""What to decide. Pure: events and `now` in, effects out; no loop, no socket, no clock, no randomness, so that a whole cluster runs in a
test."""
