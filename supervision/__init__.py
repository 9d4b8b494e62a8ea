"""Supervisors, servers and services: keeping processes alive, the OTP way.

This layer builds on `actors` and may import its public names only; it knows nothing about Temporal.
"""
