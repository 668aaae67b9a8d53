"""For whoever operates the service: to see what it does, and the few moves that a person may make.

Everything is read and written through the stores of `shared`, as the service itself does: a write is a transition of
the one table, by compare-and-set. There is no door of its own for it in the API: who may do it is who has the roles.
"""
