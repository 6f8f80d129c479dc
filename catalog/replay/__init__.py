"""The archive's updates again: applied (`catalog replay`), or compared with the table (`catalog diff`)."""
