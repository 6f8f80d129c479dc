"""The event source mapping's rules: a test a rule, each naming the AWS document it comes from."""
