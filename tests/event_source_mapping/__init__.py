"""The event source mapping's rules: one test per rule, each naming the AWS document it comes from."""
