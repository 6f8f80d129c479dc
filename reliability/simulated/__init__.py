"""The simulated world: the project's real code on a simulated machine, network and services (ADR 30)."""
