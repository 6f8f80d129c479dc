"""What is deployed: one stack an environment, composed in `catalog_stack`, one small construct a part."""

from stacks.provider_binding import prepare

prepare()
