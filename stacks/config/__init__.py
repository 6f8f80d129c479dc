"""What the environments are set to, and what is refused."""
