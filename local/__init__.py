"""What runs the pipeline on one machine: embedded servers, event source mapping, feed and verdict."""
