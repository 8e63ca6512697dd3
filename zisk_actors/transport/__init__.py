"""How messages travel: links that carry lists of frames. ZeroMQ between processes, memory inside one; the same tests run on both."""
