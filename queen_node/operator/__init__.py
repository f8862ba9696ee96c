"""What the owner's and operator's commands do, without a command line: deploy, check, Hives, pool, channels, votes.

Every function takes a `Desk` (address book, chain, sender) and plain values, and answers plain documents. Nothing here
prints or asks; sending goes through `sending.py` alone. web3 is loaded by the chain module, on its first call.
"""
