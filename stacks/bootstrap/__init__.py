"""The bootstrap stack: the bucket for the Terraform state, and the roles that workflows deploy with."""
