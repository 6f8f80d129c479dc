"""How fast the processor is: beside what a user would otherwise pick, and beside the limit (`make bench`)."""
