"""What is deployed: one stack per environment. `catalog_stack` composes it from one small construct per part.

The settings of every environment are in `config/environments.py`.
"""

from stacks.provider_binding import prepare

prepare()
