"""The clients that are compared: one module each, imported only in a process whose environment has that client.

A module has ``connect(job)``, a context manager that gives an ``AsyncClient`` or a ``BlockingClient``, or
``signer(target)``, or both; see ``contenders.base``.
"""
