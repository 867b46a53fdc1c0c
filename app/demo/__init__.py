"""The demonstration: 40 doses on real flights, clients of every role, and a receiver that verifies signatures.

It speaks HTTP only, as any client would.
"""
