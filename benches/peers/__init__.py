"""Peers: the same job done with other tools, in one run, each in its best honest batch form.

The job: drop what came before by (source, id), refuse broken quantities and unknown types, and keep six accounts per
position. The balances of all must be those of the engine. None of the peers detects conflicts, knows effective time or
answers per event; the engine does all of that meanwhile.
"""
