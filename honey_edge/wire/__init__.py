"""The language between Worker, Queen and chain: messages, topics, typed-data digests, signatures."""
