"""What survives a process: the journal of jobs, and blobs by the hash of their content. The only layer that opens files for writing
state."""
