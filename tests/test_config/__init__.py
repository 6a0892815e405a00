"""
The configuration: what is wrong in it is told at once, at its line and in plain words; what is right becomes nouns.
"""
