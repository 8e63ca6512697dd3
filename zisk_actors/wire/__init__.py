"""What may be said between processes: messages, their encoding, and how big things are cut into chunks.

Rule: nothing here does I/O; it turns bytes into typed values and back, and hostile input ends here.
"""
