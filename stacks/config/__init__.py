"""The settings of every environment, and which values are refused."""
